using System.Text;
using DynConv.Models.Tokenizers.Patterns;

namespace DynConv.Models.Tokenizers.Normalization;

/// <summary><c>Strip</c>: without white space at the ends.</summary>
internal sealed class Strip(bool left, bool right) : Normalizer
{
    public override byte[] Apply(byte[] text, TextPart part, ref bool atStart)
    {
        int start = 0;
        int end = text.Length;
        if (left && !part.HasFlag(TextPart.Continues))
        {
            while (start < end && Rune.DecodeFromUtf8(text.AsSpan(start), out Rune rune, out int length) >= 0
                && UnicodeSets.Space.Contains(rune.Value))
            {
                start += length;
            }
        }

        if (right && !part.HasFlag(TextPart.Unfinished))
        {
            while (end > start && Rune.DecodeLastFromUtf8(text.AsSpan(start, end - start), out Rune rune, out int length) >= 0
                && UnicodeSets.Space.Contains(rune.Value))
            {
                end -= length;
            }
        }

        atStart &= start == 0;
        return text[start..end];
    }
}
