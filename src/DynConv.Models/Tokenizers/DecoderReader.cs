using System.Text;
using DynConv.Models.Tokenizers.Decoding;
using DynConv.Models.Tokenizers.Normalization;
using DynConv.Models.Tokenizers.Patterns;

namespace DynConv.Models.Tokenizers;

/// <summary>Reads a <c>decoder</c>.</summary>
internal static class DecoderReader
{
    private const string Metaspace = "\u2581";

    /// <summary>
    /// The decoder of a file. Where it has none, that which undoes what the file does to text is taken: bytes of byte-level
    /// tokens, spaces of SentencePiece's tokens; and else, as in Hugging Face's library, tokens with spaces between.
    /// </summary>
    /// <exception cref="DynConvException">It is malformed or not supported.</exception>
    public static TokenDecoder Read(JsonPlace root)
    {
        if (root.Find("decoder") is JsonPlace decoder)
        {
            return ReadStep(decoder);
        }

        JsonPlace[] steps = [.. Flatten(root.Find("normalizer")), .. Flatten(root.Find("pre_tokenizer"))];
        if (steps.Any(static step => TypeOf(step) == "ByteLevel"))
        {
            return new ByteLevelDecoder();
        }

        bool putsInFront = steps.Any(static step => TypeOf(step) == "Prepend");
        if (Array.Exists(steps, static step => TypeOf(step) == "Metaspace") || Array.Exists(steps, IsSpaceReplacement))
        {
            putsInFront |= steps.Any(static step =>
                TypeOf(step) == "Metaspace" && PretokenizerReader.ReadScheme(step) != Pretokenization.PrependScheme.Never);
            return new DecoderSequence([
                new ReplaceDecoder(new Replace(Pattern.OfText(Metaspace), " ")),
                new ByteFallbackDecoder(),
                new FuseDecoder(),
                new StripDecoder([(byte)' '], putsInFront ? 1 : 0, 0)]);
        }

        return new SpacesDecoder();
    }

    private static TokenDecoder ReadStep(JsonPlace decoder)
    {
        string type = TypeOf(decoder);
        return type switch
        {
            "ByteLevel" => new ByteLevelDecoder(),
            "ByteFallback" => new ByteFallbackDecoder(),
            "Fuse" => new FuseDecoder(),
            "Strip" => new StripDecoder(
                Encoding.UTF8.GetBytes(decoder.Get("content").Character()),
                decoder.Get("start").Count(),
                decoder.Get("stop").Count()),
            "Replace" => new ReplaceDecoder(NormalizerReader.ReadReplace(decoder)),
            "Metaspace" => new MetaspaceDecoder(decoder.Get("replacement").Character(), PretokenizerReader.ReadScheme(decoder)),
            "BPEDecoder" => new SuffixDecoder(decoder.Find("suffix")?.Text() is { Length: > 0 } suffix ? suffix : "</w>"),
            "Sequence" => new DecoderSequence([.. decoder.Get("decoders").Items().Select(ReadStep)]),
            _ => throw decoder.Failure(
                $"is of type {JsonPlace.Cut(type)}; supported are ByteLevel, ByteFallback, Fuse, Strip, Replace, Metaspace, BPEDecoder "
                + "and Sequence"),
        };
    }

    private static IEnumerable<JsonPlace> Flatten(JsonPlace? step)
    {
        if (step is not JsonPlace place)
        {
            return [];
        }

        JsonPlace? parts = TypeOf(place) == "Sequence" ? place.Find("normalizers") ?? place.Find("pretokenizers") : null;
        return parts is JsonPlace list ? list.Items().SelectMany(static item => Flatten(item)) : [place];
    }

    private static bool IsSpaceReplacement(JsonPlace step) =>
        TypeOf(step) == "Replace" && step.Get("pattern").Find("String") is JsonPlace text && text.Text() == " "
        && step.Get("content").Text() == Metaspace;

    private static string TypeOf(JsonPlace step) => step.Get("type").Text();
}
