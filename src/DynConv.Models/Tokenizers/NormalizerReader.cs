using DynConv.Models.Tokenizers.Normalization;
using DynConv.Models.Tokenizers.Patterns;

namespace DynConv.Models.Tokenizers;

/// <summary>Reads a <c>normalizer</c>, and patterns wherever they stand.</summary>
internal static class NormalizerReader
{
    /// <summary>The steps in order.</summary>
    /// <exception cref="DynConvException">One is malformed or not supported.</exception>
    public static IEnumerable<Normalizer> Read(JsonPlace normalizer)
    {
        string type = normalizer.Get("type").Text();
        return type switch
        {
            "Sequence" => normalizer.Get("normalizers").Items().SelectMany(Read),
            "NFC" => [new UnicodeForm(compatible: false, composes: true)],
            "NFD" => [new UnicodeForm(compatible: false, composes: false)],
            "NFKC" => [new UnicodeForm(compatible: true, composes: true)],
            "NFKD" => [new UnicodeForm(compatible: true, composes: false)],
            "Lowercase" => [Characters.Lowercase],
            "StripAccents" => [Characters.StripAccents],
            "Nmt" => [Characters.Nmt],
            "Replace" => [ReadReplace(normalizer)],
            "Prepend" => [new Prepend(normalizer.Get("prepend").Text())],
            "Strip" => [new Strip(normalizer.Flag("strip_left", missing: true), normalizer.Flag("strip_right", missing: true))],
            "ByteLevel" => [new SpelledBytes()],
            _ => throw normalizer.Failure(
                $"is of type {JsonPlace.Cut(type)}; supported are NFC, NFD, NFKC, NFKD, Lowercase, Replace, Prepend, Strip, "
                + "StripAccents, Nmt, ByteLevel and Sequence"),
        };
    }

    /// <summary>A <c>Replace</c>, of normalizers and decoders.</summary>
    public static Replace ReadReplace(JsonPlace step) => new(ReadPattern(step.Get("pattern")), step.Get("content").Text());

    /// <summary>A pattern: <c>{"String": …}</c> or <c>{"Regex": …}</c>.</summary>
    public static Pattern ReadPattern(JsonPlace pattern)
    {
        if (pattern.Find("String") is JsonPlace text)
        {
            return Pattern.OfText(text.Text());
        }

        string regex = pattern.Find("Regex")?.Text() ?? throw pattern.Failure("has neither a 'String' nor a 'Regex'");
        try
        {
            return Pattern.OfRegex(regex);
        }
        catch (FormatException exception)
        {
            throw pattern.Failure($"is the regular expression {Pattern.Show(regex)}, in which {exception.Message}");
        }
    }
}
