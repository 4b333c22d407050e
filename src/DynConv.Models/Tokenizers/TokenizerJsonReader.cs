namespace DynConv.Models.Tokenizers;

/// <summary>Reads Hugging Face's <c>tokenizer.json</c> where it holds byte-level BPE.</summary>
internal static class TokenizerJsonReader
{
    private const string Supported = "supported is byte-level BPE with GPT-2's or Llama-3's pattern";

    /// <summary>Reads the file.</summary>
    /// <exception cref="DynConvException">It is malformed or of a kind that is not supported.</exception>
    public static ITokenizer Read(string path)
    {
        JsonPlace root = JsonPlace.Parse(path, TokenizerFiles.Read(path));
        JsonPlace model = root.Get("model");
        CheckModel(model);
        if (root.Find("normalizer") is JsonPlace normalizer && !IsEmptySequence(normalizer))
        {
            throw normalizer.Failure($"is of type {TypeOf(normalizer)}; {Supported}, without a normalizer");
        }

        BpeSettings settings = ReadPretokenizer(root) with
        {
            IgnoreMerges = model.Flag("ignore_merges", missing: false),
            PostProcessor = root.Find("post_processor")?.Json,
            Template = root.Find("post_processor") is JsonPlace processor ? TemplateReader.Read(processor) : TokenTemplate.Empty,
        };
        BpeVocabulary vocabulary = ReadVocabulary(path, root, model);
        return ByteTokenizer.Is(vocabulary, settings) ? new ByteTokenizer() : new BpeTokenizer(vocabulary, settings);
    }

    private static void CheckModel(JsonPlace model)
    {
        // Old files have no type; theirs is told by the merges, which only BPE has.
        string type = model.Find("type")?.Text() ?? (model.Find("merges") is null ? "unknown" : "BPE");
        if (type != "BPE")
        {
            throw model.Failure($"is of type {type}; {Supported}");
        }

        if (model.Flag("byte_fallback", missing: false))
        {
            throw model.Failure($"is BPE of type SentencePiece (byte_fallback); {Supported}");
        }

        foreach (string name in (string[])["continuing_subword_prefix", "end_of_word_suffix"])
        {
            if (model.Find(name) is JsonPlace affix && affix.Text().Length > 0)
            {
                throw affix.Failure($"is '{affix.Text()}'; {Supported}, without marks on tokens");
            }
        }

        if (model.Find("dropout") is JsonPlace dropout && dropout.Json is not ("0" or "0.0"))
        {
            throw dropout.Failure($"is {dropout.Json}; {Supported}, without dropout");
        }
    }

    private static BpeSettings ReadPretokenizer(JsonPlace root)
    {
        JsonPlace pretokenizer = root.Find("pre_tokenizer")
            ?? throw root.Failure($"has no 'pre_tokenizer', so this BPE is not byte-level; {Supported}");
        JsonPlace[] steps = TypeOf(pretokenizer) == "Sequence"
            ? [.. pretokenizer.Get("pretokenizers").Items()]
            : [pretokenizer];
        string[] types = [.. steps.Select(TypeOf)];
        return types switch
        {
            ["ByteLevel"] => ReadByteLevel(steps[0]),
            ["Split", "ByteLevel"] => new BpeSettings(ReadSplit(steps[0], steps[1])),
            _ => throw pretokenizer.Failure(
                $"is of type {string.Join(" + ", types)}; {Supported} (ByteLevel, or Split + ByteLevel)"),
        };
    }

    private static BpeSettings ReadByteLevel(JsonPlace step)
    {
        bool splits = step.Flag("use_regex", missing: true);
        return new BpeSettings(splits ? PretokenizerPattern.Gpt2 : PretokenizerPattern.None)
        {
            AddPrefixSpace = step.Flag("add_prefix_space", missing: true),
        };
    }

    private static PretokenizerPattern ReadSplit(JsonPlace split, JsonPlace byteLevel)
    {
        BpeSettings rest = ReadByteLevel(byteLevel);
        if (rest.Pattern != PretokenizerPattern.None || rest.AddPrefixSpace)
        {
            throw byteLevel.Failure("must have use_regex and add_prefix_space false after a Split");
        }

        // A pattern that every character is part of gives the same pieces as separators, or as what is between them.
        string behavior = split.Get("behavior").Text();
        bool inverted = split.Flag("invert", missing: false);
        if ((behavior, inverted) is not (("Isolated", _) or ("Removed", true)))
        {
            throw split.Failure($"has behavior {behavior}{(inverted ? " inverted" : "")}; supported is Isolated");
        }

        JsonPlace pattern = split.Get("pattern");
        string regex = pattern.Find("Regex")?.Text()
            ?? throw pattern.Failure($"has no 'Regex'; {Supported}");
        return PretokenizerRegex.Find(regex)
            ?? throw pattern.Failure($"is the unknown regex {regex}; {Supported}");
    }

    private static BpeVocabulary ReadVocabulary(string path, JsonPlace root, JsonPlace model)
    {
        Dictionary<string, int> ids = model.Get("vocab").Ids();
        List<(string, string)> merges = [.. model.Get("merges").Items().Select(ReadMerge)];
        AddedToken[] added = root.Find("added_tokens") is JsonPlace tokens
            ? [.. tokens.Items().Select(ReadAddedToken)]
            : [];
        try
        {
            return new BpeVocabulary(ids, merges, added);
        }
        catch (DynConvException exception)
        {
            throw new DynConvException($"{path}: {exception.Message}.", exception);
        }
    }

    private static (string Left, string Right) ReadMerge(JsonPlace merge)
    {
        if (merge.IsText)
        {
            return TokenizerLoader.SplitMerge(merge.Text())
                ?? throw merge.Failure("must be two tokens with one space between them");
        }

        return merge.Items().ToArray() is [var left, var right]
            ? (left.Text(), right.Text())
            : throw merge.Failure("must be two tokens");
    }

    private static AddedToken ReadAddedToken(JsonPlace token) => new(token.Get("id").Id(), token.Get("content").Text())
    {
        SingleWord = token.Flag("single_word", missing: false),
        LeftStrip = token.Flag("lstrip", missing: false),
        RightStrip = token.Flag("rstrip", missing: false),
        Normalized = token.Flag("normalized", missing: false),
        Special = token.Flag("special", missing: false),
    };

    private static bool IsEmptySequence(JsonPlace step) =>
        TypeOf(step) == "Sequence" && !step.Get("normalizers").Items().Any();

    private static string TypeOf(JsonPlace step) => step.Get("type").Text();
}
