using System.Text;

namespace DynConv.Models.Tokenizers.Normalization;

/// <summary><c>Prepend</c>: puts something before text that is not empty.</summary>
internal sealed class Prepend(string content) : Normalizer
{
    private readonly byte[] _content = Encoding.UTF8.GetBytes(content);

    public override byte[] Apply(byte[] text, TextPart part, ref bool atStart) =>
        text.Length == 0 || part.HasFlag(TextPart.Continues) ? text : [.. _content, .. text];
}
