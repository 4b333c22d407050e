using DynConv.Models.Tokenizers.Decoding;
using DynConv.Models.Tokenizers.Normalization;

namespace DynConv.Models.Tokenizers;

/// <summary>Reads Hugging Face's <c>tokenizer.json</c> where it holds BPE.</summary>
internal static class TokenizerJsonReader
{
    /// <summary>Reads the file.</summary>
    /// <exception cref="DynConvException">It is malformed or of a kind that is not supported.</exception>
    public static ITokenizer Read(string path)
    {
        byte[] source = TokenizerFiles.Read(path);
        JsonPlace root = JsonPlace.Parse(path, source);
        JsonPlace model = root.Get("model");
        BpeModelSettings modelSettings = ReadModel(model);
        Normalizer[] normalizers = root.Find("normalizer") is JsonPlace normalizer ? [.. NormalizerReader.Read(normalizer)] : [];
        bool hasAffixes = modelSettings.Prefix.Length + modelSettings.Suffix.Length > 0;
        PretokenizerReader pretokenizers = new(root.Find("pre_tokenizer"), !hasAffixes);
        var settings = new BpeSettings
        {
            Normalizers = normalizers,
            Pretokenizers = pretokenizers.Steps,
            Decoder = DecoderReader.Read(root),
            Model = modelSettings with { ReadsBytes = pretokenizers.LeavesBytes },
            Template = root.Find("post_processor") is JsonPlace processor ? TemplateReader.Read(processor) : TokenTemplate.Empty,
            Source = source,
        };
        BpeVocabulary vocabulary = ReadVocabulary(path, root, model, modelSettings.Prefix);
        CheckTemplate(root, settings.Template, vocabulary);
        bool isPlain = normalizers.Length == 0 && pretokenizers.IsPlainByteLevel && settings.Template.IsEmpty
            && settings.Decoder is ByteLevelDecoder;
        return isPlain && ByteTokenizer.Is(vocabulary) ? new ByteTokenizer() : Make(path, vocabulary, settings);
    }

    private static BpeTokenizer Make(string path, BpeVocabulary vocabulary, BpeSettings settings)
    {
        try
        {
            return new BpeTokenizer(vocabulary, settings);
        }
        catch (DynConvException exception)
        {
            throw new DynConvException($"{path}: {exception.Message}.", exception);
        }
    }

    private static BpeModelSettings ReadModel(JsonPlace model)
    {
        // Old files have no type; theirs is told by the merges, which only BPE has.
        string type = model.Find("type")?.Text() ?? (model.Find("merges") is null ? "unknown" : "BPE");
        if (type != "BPE")
        {
            throw model.Failure($"is of type {JsonPlace.Cut(type)}; only BPE is supported");
        }

        if (model.Find("dropout") is JsonPlace dropout && dropout.Number() != 0)
        {
            throw dropout.Failure("must be 0: with dropout a text has other tokens each time");
        }

        return new BpeModelSettings
        {
            IgnoresMerges = model.Flag("ignore_merges", missing: false),
            UnknownToken = model.Find("unk_token")?.Text(),
            FusesUnknown = model.Flag("fuse_unk", missing: false),
            FallsBackToBytes = model.Flag("byte_fallback", missing: false),
            Prefix = model.Find("continuing_subword_prefix")?.Text() ?? "",
            Suffix = model.Find("end_of_word_suffix")?.Text() ?? "",
        };
    }

    private static BpeVocabulary ReadVocabulary(string path, JsonPlace root, JsonPlace model, string prefix)
    {
        Dictionary<string, int> ids = model.Get("vocab").Ids();
        List<(string, string)> merges = ReadMerges(model.Get("merges"));
        AddedToken[] added = root.Find("added_tokens") is JsonPlace tokens
            ? [.. tokens.Items().Select(ReadAddedToken)]
            : [];
        try
        {
            return new BpeVocabulary(ids, merges, added, prefix);
        }
        catch (DynConvException exception)
        {
            throw new DynConvException($"{path}: {exception.Message}.", exception);
        }
    }

    private static List<(string Left, string Right)> ReadMerges(JsonPlace merges)
    {
        List<(string, string)> pairs = [];
        foreach (JsonPlace merge in merges.Items())
        {
            if (!merge.IsText)
            {
                pairs.Add(merge.Items().ToArray() is [var left, var right]
                    ? (left.Text(), right.Text())
                    : throw merge.Failure("must be two tokens"));
            }
            else if (merge.Text() is string text && !text.StartsWith("#version", StringComparison.Ordinal))
            {
                pairs.Add(TokenizerLoader.SplitMerge(text)
                    ?? throw merge.Failure("must be two tokens with one space between them"));
            }
        }

        return pairs;
    }

    private static AddedToken ReadAddedToken(JsonPlace token) => new(token.Get("id").Id(), token.Get("content").Text())
    {
        SingleWord = token.Flag("single_word", missing: false),
        LeftStrip = token.Flag("lstrip", missing: false),
        RightStrip = token.Flag("rstrip", missing: false),
        Normalized = token.Flag("normalized", missing: false),
        Special = token.Flag("special", missing: false),
    };

    private static void CheckTemplate(JsonPlace root, TokenTemplate template, BpeVocabulary vocabulary)
    {
        foreach (int id in template.Before.Concat(template.After))
        {
            if (vocabulary.FindName(id) is null)
            {
                throw root.Get("post_processor").Failure($"puts in the id {id}, which the vocabulary lacks");
            }
        }
    }
}
