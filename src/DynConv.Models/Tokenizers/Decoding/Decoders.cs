using System.Globalization;
using System.Text;
using DynConv.Models.Tokenizers.Normalization;
using DynConv.Models.Tokenizers.Pretokenization;

namespace DynConv.Models.Tokenizers.Decoding;

/// <summary><c>ByteLevel</c>: tokens spelled in <see cref="ByteAlphabet"/> become bytes.</summary>
internal sealed class ByteLevelDecoder : TokenDecoder
{
    public override List<byte[]> Apply(List<byte[]> tokens) => [[.. tokens.SelectMany(ToBytes)]];

    /// <summary>The bytes of a token; one that is not all in the alphabet stays as it is.</summary>
    public static byte[] ToBytes(byte[] token) =>
        ByteAlphabet.TryToBytes(Encoding.UTF8.GetString(token), out byte[]? bytes) ? bytes : token;
}

/// <summary><c>ByteFallback</c>: tokens such as <c>&lt;0x0A&gt;</c> become bytes.</summary>
internal sealed class ByteFallbackDecoder : TokenDecoder
{
    public override List<byte[]> Apply(List<byte[]> tokens) => tokens.ConvertAll(static token => ByteOf(token) is { } value ? [value] : token);

    private static byte? ByteOf(byte[] token) =>
        token is [(byte)'<', (byte)'0', (byte)'x', var high, var low, (byte)'>']
        && byte.TryParse([high, low], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out byte value)
            ? value
            : null;
}

/// <summary><c>Fuse</c>: one text of all.</summary>
internal sealed class FuseDecoder : TokenDecoder
{
    public override List<byte[]> Apply(List<byte[]> tokens) => [[.. tokens.SelectMany(static token => token)]];
}

/// <summary><c>Strip</c>: without some of a character at each end of each text.</summary>
internal sealed class StripDecoder(byte[] content, int start, int stop) : TokenDecoder
{
    public override List<byte[]> Apply(List<byte[]> tokens) => tokens.ConvertAll(Strip);

    private byte[] Strip(byte[] token)
    {
        ReadOnlySpan<byte> rest = token;
        for (int i = 0; i < start && rest.StartsWith(content); i++)
        {
            rest = rest[content.Length..];
        }

        for (int i = 0; i < stop && rest.EndsWith(content); i++)
        {
            rest = rest[..^content.Length];
        }

        return rest.ToArray();
    }
}

/// <summary><c>Replace</c> in each text.</summary>
internal sealed class ReplaceDecoder(Replace replace) : TokenDecoder
{
    public override List<byte[]> Apply(List<byte[]> tokens) => tokens.ConvertAll(replace.Apply);
}

/// <summary><c>Metaspace</c>: its character becomes a space, and nothing in the first token.</summary>
internal sealed class MetaspaceDecoder(string replacement, PrependScheme prepend) : TokenDecoder
{
    private readonly Replace _first = new(Patterns.Pattern.OfText(replacement), prepend == PrependScheme.Never ? " " : "");
    private readonly Replace _others = new(Patterns.Pattern.OfText(replacement), " ");

    public override List<byte[]> Apply(List<byte[]> tokens) =>
        [.. tokens.Select((token, index) => (index == 0 ? _first : _others).Apply(token))];
}

/// <summary><c>BPEDecoder</c>: the mark of a word's end becomes a space, and nothing in the last token.</summary>
internal sealed class SuffixDecoder(string suffix) : TokenDecoder
{
    private readonly Replace _last = new(Patterns.Pattern.OfText(suffix), "");
    private readonly Replace _others = new(Patterns.Pattern.OfText(suffix), " ");

    public override List<byte[]> Apply(List<byte[]> tokens) =>
        [.. tokens.Select((token, index) => (index == tokens.Count - 1 ? _last : _others).Apply(token))];
}

/// <summary>No decoder: a space between tokens.</summary>
internal sealed class SpacesDecoder : TokenDecoder
{
    public override List<byte[]> Apply(List<byte[]> tokens) =>
        [.. tokens.Select(static (token, index) => index == 0 ? token : [(byte)' ', .. token])];
}

/// <summary><c>Sequence</c>: one step after the other.</summary>
internal sealed class DecoderSequence(TokenDecoder[] steps) : TokenDecoder
{
    public override List<byte[]> Apply(List<byte[]> tokens) => steps.Aggregate(tokens, static (texts, step) => step.Apply(texts));
}
