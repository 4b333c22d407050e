using System.Text;
using DynConv.Models.Tokenizers.Patterns;

namespace DynConv.Models.Tokenizers.Normalization;

/// <summary><c>Replace</c>: every match becomes the same text.</summary>
internal sealed class Replace(Pattern pattern, string content) : Normalizer
{
    private readonly byte[] _content = Encoding.UTF8.GetBytes(content);

    public override byte[] Apply(byte[] text, TextPart part, ref bool atStart)
    {
        byte[] replaced = Apply(text, out int firstEnd);

        // What takes the place of several characters counts as the last of them.
        atStart &= firstEnd == 0 || (_content.Length > 0 && Rune.DecodeFromUtf8(text, out _, out int length) >= 0 && firstEnd == length);
        return replaced;
    }

    /// <summary>The text with its matches replaced.</summary>
    public byte[] Apply(byte[] text) => Apply(text, out _);

    private byte[] Apply(byte[] text, out int firstEnd)
    {
        firstEnd = 0;
        if (text.Length == 0)
        {
            return text;
        }

        List<(int Start, int End)> matches = [];
        pattern.FindAll(text, matches);
        if (matches.Count == 0)
        {
            return text;
        }

        firstEnd = matches[0].Start == 0 ? matches[0].End : 0;
        var replaced = new List<byte>(text.Length);
        int last = 0;
        foreach ((int start, int end) in matches)
        {
            replaced.AddRange(text.AsSpan(last, start - last));
            replaced.AddRange(_content);
            last = end;
        }

        replaced.AddRange(text.AsSpan(last));
        return [.. replaced];
    }
}
