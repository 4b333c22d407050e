using System.Text;

namespace DynConv.Models.Tokenizers.Normalization;

/// <summary><c>ByteLevel</c> as a normalizer: bytes spelled in <see cref="ByteAlphabet"/>.</summary>
internal sealed class SpelledBytes : Normalizer
{
    public override byte[] Apply(byte[] text, TextPart part, ref bool atStart) =>
        Encoding.UTF8.GetBytes(ByteAlphabet.ToText(text));
}
