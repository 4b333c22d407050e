using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using DynConv.Models.Tokenizers;

namespace DynConv.Models.Tests.Tokenizers;

/// <summary>Small tokenizers of every kind that files describe, as <c>tokenizer.json</c>.</summary>
internal static class TokenizerShapes
{
    public const string Cl100K =
        @"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+";

    public const string O200K =
        @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private const string Han =
        @"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private const string DeepSeek =
        "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

    private static readonly string[] Behaviors = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"];

    private static readonly string[] Regexes =
    [
        PretokenizerRegex.Gpt2, PretokenizerRegex.Llama3, Cl100K, O200K, Han, DeepSeek, "[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+",
        @"\s", @"\s+", @"\S+", " ", "", ".", @"\w+", @"\W", @"\d{1,3}(?=(?:\d{3})*\b)", @"\p{N}{2}+", @"(?<=[a-z])(?=[A-Z])", @"(?<!a)b|(?<=é|ab)c",
        @"\b", @"\B", "^", "$", @"\A.", @".\z", @".\Z", @"\G[a-h]", @"(?i:THE|É|σ|ß?x)", @"(?i)[a-c]|k", "(a|b)*c|x*?y", @"(?>a|ab)c|a++b?", @"(?m:a.b)|h.l",
        @"[[:alpha:]]+|[[:punct:]]|[^[:space:]]", @"[\h_]+", @"[a\-z]|[]x]|[^]x\s]+", @"\R|\N{2}", @"[[a-h]&&[^bdf]&&\w]+", @"\x41|\x{1F600}|\u00e9", @"a{2}|b{,2}c|d{1,}",
        @"(?x: a b # words
        | t h e )", @"\p{^L}+", @"\P{Latin}", @"[\p{Greek}\p{Cyrillic}]+", @"(?:\r?\n)+", @"(?!the)\w", @"(?<name>a)(?:b|(?=c))", @"\p{Alphabetic}+|\p{Lowercase}",
    ];

    private static readonly string[] Normalizers =
    [
        """{"type":"NFC"}""", """{"type":"NFD"}""", """{"type":"NFKC"}""", """{"type":"NFKD"}""", """{"type":"Lowercase"}""", """{"type":"Nmt"}""",
        """{"type":"StripAccents"}""", """{"type":"Sequence","normalizers":[{"type":"NFD"},{"type":"StripAccents"},{"type":"Lowercase"}]}""",
        """{"type":"Strip","strip_left":true,"strip_right":false}""", """{"type":"Strip","strip_left":false,"strip_right":true}""",
        """{"type":"Strip","strip_left":true,"strip_right":true}""", """{"type":"Prepend","prepend":"▁"}""", """{"type":"Prepend","prepend":"ab "}""",
        """{"type":"Replace","pattern":{"String":" "},"content":"▁"}""", """{"type":"Replace","pattern":{"String":"the"},"content":""}""",
        """{"type":"Replace","pattern":{"Regex":"\\s+"},"content":" "}""", """{"type":"Replace","pattern":{"Regex":" {2,}|[aeiou]"},"content":"xy"}""",
        """{"type":"Sequence","normalizers":[{"type":"NFKC"},{"type":"Replace","pattern":{"String":"."},"content":"。"},{"type":"Lowercase"}]}""",
    ];

    /// <summary>Names and files.</summary>
    public static IEnumerable<(string Name, string Json)> All() =>
        [.. Pretokenized(), .. Normalized(), .. Characters(), .. WithAddedTokens(), .. Models()];

    /// <summary>A file; what is left out is absent or, with <paramref name="change"/>, as that makes it.</summary>
    public static string Make(string? normalizer, string? pretokenizer, bool bytes, Action<JsonObject>? change = null)
    {
        (Dictionary<string, int> vocabulary, List<(string Left, string Right)> merges) = Vocabulary(bytes);
        var json = new JsonObject
        {
            ["version"] = "1.0",
            ["truncation"] = null,
            ["padding"] = null,
            ["added_tokens"] = new JsonArray(Added("<|endoftext|>", special: true)),
            ["normalizer"] = normalizer is null ? null : JsonNode.Parse(normalizer),
            ["pre_tokenizer"] = pretokenizer is null ? null : JsonNode.Parse(pretokenizer),
            ["post_processor"] = null,
            ["decoder"] = bytes ? JsonNode.Parse("""{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true}""") : null,
            ["model"] = new JsonObject
            {
                ["type"] = "BPE",
                ["dropout"] = null,
                ["unk_token"] = bytes ? null : "<unk>",
                ["continuing_subword_prefix"] = null,
                ["end_of_word_suffix"] = null,
                ["fuse_unk"] = false,
                ["byte_fallback"] = !bytes,
                ["ignore_merges"] = false,
                ["vocab"] = new JsonObject(vocabulary.Select(static token => KeyValuePair.Create(token.Key, (JsonNode?)token.Value))),
                ["merges"] = new JsonArray([.. merges.Select(static merge => new JsonArray(merge.Left, merge.Right))]),
            },
        };
        change?.Invoke(json);
        return json.ToJsonString();
    }

    public static string Split(string regex, string behavior, bool invert) => new JsonObject
    {
        ["type"] = "Split",
        ["pattern"] = new JsonObject { ["Regex"] = regex },
        ["behavior"] = behavior,
        ["invert"] = invert,
    }.ToJsonString();

    public static string ByteLevel(bool prefix, bool regex) => new JsonObject
    {
        ["type"] = "ByteLevel",
        ["add_prefix_space"] = prefix,
        ["trim_offsets"] = true,
        ["use_regex"] = regex,
    }.ToJsonString();

    public static string Sequence(params string[] steps) => $$"""{"type":"Sequence","pretokenizers":[{{string.Join(',', steps)}}]}""";

    public static JsonObject Added(
        string content, bool special, bool normalized = false, bool word = false, bool left = false, bool right = false) => new()
    {
        ["id"] = 10_000,
        ["content"] = content,
        ["single_word"] = word,
        ["lstrip"] = left,
        ["rstrip"] = right,
        ["normalized"] = normalized,
        ["special"] = special,
    };

    private static IEnumerable<(string, string)> Pretokenized()
    {
        string last = ByteLevel(prefix: false, regex: false);
        foreach (string regex in Regexes)
        {
            foreach (string behavior in Behaviors)
            {
                foreach (bool invert in (bool[])[false, true])
                {
                    yield return ($"Split {regex} {behavior} {invert}", Make(null, Sequence(Split(regex, behavior, invert), last), bytes: true));
                }
            }
        }

        string[] others =
        [
            ByteLevel(false, true), ByteLevel(true, true), ByteLevel(true, false), ByteLevel(false, false),
            """{"type":"Digits","individual_digits":true}""", """{"type":"Digits","individual_digits":false}""",
            """{"type":"Whitespace"}""", """{"type":"WhitespaceSplit"}""", """{"type":"BertPreTokenizer"}""", """{"type":"CharDelimiterSplit","delimiter":"e"}""",
            """{"type":"Split","pattern":{"String":"a.b"},"behavior":"Isolated","invert":false}""",
            """{"type":"Split","pattern":{"String":"the"},"behavior":"MergedWithNext","invert":false}""",
            .. Behaviors.Select(static behavior => $$"""{"type":"Punctuation","behavior":"{{behavior}}"}"""),
            .. ((string[])["always", "first", "never"]).SelectMany(static scheme => ((string[])["true", "false"]).Select(split =>
                $$"""{"type":"Metaspace","replacement":"▁","prepend_scheme":"{{scheme}}","split":{{split}}}""")),
        ];
        foreach (string step in others)
        {
            yield return ($"{step} + ByteLevel with GPT-2's pattern", Make(null, Sequence(step, ByteLevel(false, true)), bytes: true));
            yield return ($"{step} + ByteLevel with a space", Make(null, Sequence(step, ByteLevel(true, false)), bytes: true));
            yield return ($"ByteLevel + {step}", Make(null, Sequence(last, step), bytes: true));
            yield return ($"{step} on characters", Make(null, step, bytes: false));
            yield return ($"Digits + {step} on characters", Make(null, Sequence("""{"type":"Digits","individual_digits":true}""", step), bytes: false));
        }
    }

    private static IEnumerable<(string, string)> Normalized()
    {
        foreach (string normalizer in Normalizers)
        {
            yield return ($"{normalizer} + ByteLevel", Make(normalizer, ByteLevel(false, true), bytes: true));
            yield return ($"{normalizer} on characters", Make(normalizer, null, bytes: false));
            yield return ($"{normalizer} + Metaspace", Make(normalizer, """{"type":"Metaspace","replacement":"▁","prepend_scheme":"first","split":true}""", bytes: false));
        }

        yield return ("ByteLevel as normalizer", Make("""{"type":"ByteLevel"}""", null, bytes: true));
        yield return ("ByteLevel as normalizer, split", Make("""{"type":"ByteLevel"}""", Split("Ġ", "MergedWithNext", false), bytes: true));
    }

    private static IEnumerable<(string, string)> Characters()
    {
        const string Llama2 =
            """{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"String":" "},"content":"▁"}]}""";
        foreach (int flags in Enumerable.Range(0, 32))
        {
            yield return ($"Llama 2, flags {flags}", Make(Llama2, null, bytes: false, json =>
            {
                JsonObject model = json["model"]!.AsObject();
                model["fuse_unk"] = (flags & 1) != 0;
                model["byte_fallback"] = (flags & 2) != 0;
                model["unk_token"] = (flags & 4) != 0 ? "<unk>" : null;
                model["ignore_merges"] = (flags & 8) != 0;
                if ((flags & 16) != 0)
                {
                    RemoveUnused(model, token => token is "<0xE4>" or "<0xC3>" or "<0xF0>");
                }
            }));
        }
    }

    private static IEnumerable<(string, string)> WithAddedTokens()
    {
        string?[] normalizers = [null, """{"type":"Lowercase"}""", """{"type":"NFKC"}""", """{"type":"Prepend","prepend":"▁"}""", """{"type":"Strip","strip_left":true,"strip_right":true}"""];
        foreach (string? normalizer in normalizers)
        {
            foreach (int flags in Enumerable.Range(0, 32))
            {
                JsonObject Token(string content) => Added(
                    content, (flags & 1) != 0, (flags & 2) != 0, (flags & 4) != 0, (flags & 8) != 0, (flags & 16) != 0);

                yield return ($"added tokens {flags} with {normalizer}", Make(normalizer, ByteLevel((flags & 1) != 0, true), bytes: true, json =>
                    json["added_tokens"] = new JsonArray(
                        Token("<x>"), Token("ab"), Token("abc"), Token("É"), Token("Hello"), Token("中"), Token("<|endoftext|>"), Token("..."), Token("Ġ"), Token("a"))));
            }
        }
    }

    private static IEnumerable<(string, string)> Models()
    {
        yield return ("merges twice", Make(null, ByteLevel(false, true), bytes: true, json =>
        {
            JsonArray merges = json["model"]!["merges"]!.AsArray();
            for (int i = 0; i < 20; i++)
            {
                merges.Add(merges[i]!.DeepClone());
            }
        }));
        yield return ("merges as text", Make(null, ByteLevel(false, true), bytes: true, json => json["model"]!["merges"] =
            new JsonArray([.. json["model"]!["merges"]!.AsArray().Select(static merge => (JsonNode)$"{merge![0]} {merge[1]}")])));
        yield return ("ignored merges", Make(null, ByteLevel(false, true), bytes: true, json => json["model"]!["ignore_merges"] = true));
        yield return ("missing bytes", Make(null, ByteLevel(false, true), bytes: true, json => RemoveUnused(json["model"]!.AsObject(), static token => token is "Ã" or "ð" or "Q" or "©")));
        foreach (int flags in Enumerable.Range(0, 4))
        {
            yield return ($"missing bytes with an unknown token {flags}", Make(null, ByteLevel(false, true), bytes: true, json =>
            {
                JsonObject model = json["model"]!.AsObject();
                RemoveUnused(model, static token => token is "Ã" or "ð" or "Q" or "©" or "ä");
                model["unk_token"] = "a";
                model["fuse_unk"] = (flags & 1) != 0;
                model["byte_fallback"] = (flags & 2) != 0;
            }));
        }

        yield return ("holes", Make(null, ByteLevel(false, true), bytes: true, static json =>
        {
            JsonObject vocabulary = json["model"]!["vocab"]!.AsObject();
            foreach ((string token, JsonNode? id) in vocabulary.ToArray())
            {
                vocabulary[token] = ((int)id! * 3) + 1;
            }
        }));
        foreach (int flags in Enumerable.Range(1, 3))
        {
            yield return ($"affixes {flags}", Make("""{"type":"Lowercase"}""", """{"type":"WhitespaceSplit"}""", bytes: false, json =>
            {
                JsonObject model = json["model"]!.AsObject();
                model["merges"] = new JsonArray();
                JsonObject vocabulary = model["vocab"]!.AsObject();
                foreach (string letter in "abcdefghijklmnoprstuvwxyz".Select(static c => c.ToString()).ToArray())
                {
                    vocabulary[$"##{letter}"] = vocabulary.Count;
                    vocabulary[$"{letter}</w>"] = vocabulary.Count;
                    vocabulary[$"##{letter}</w>"] = vocabulary.Count;
                }

                model["continuing_subword_prefix"] = (flags & 1) != 0 ? "##" : null;
                model["end_of_word_suffix"] = (flags & 2) != 0 ? "</w>" : null;
                if (flags == 1)
                {
                    vocabulary["th"] = vocabulary.Count;
                    vocabulary["the"] = vocabulary.Count;
                    model["merges"] = JsonNode.Parse("""[["t","##h"],["th","##e"]]""");
                }
                else if (flags == 2)
                {
                    vocabulary["he</w>"] = vocabulary.Count;
                    model["merges"] = JsonNode.Parse("""[["h","e</w>"]]""");
                }
            }));
        }

        yield return ("SmolLM", Make(null, Sequence("""{"type":"Digits","individual_digits":true}""", ByteLevel(false, true)), bytes: true));
        yield return ("template", Make(null, ByteLevel(false, true), bytes: true, static json => json["post_processor"] = JsonNode.Parse(
            """{"type":"Sequence","processors":[{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":false,"use_regex":true},{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},{"SpecialToken":{"id":"t","type_id":0}},{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"t","type_id":0}}],"pair":[{"Sequence":{"id":"A","type_id":0}},{"Sequence":{"id":"B","type_id":1}}],"special_tokens":{"<s>":{"id":"<s>","ids":[7,8],"tokens":["x","y"]},"t":{"id":"t","ids":[3],"tokens":["t"]}}}]}""")));
        yield return ("Roberta", Make(null, ByteLevel(true, true), bytes: true, static json => json["post_processor"] = JsonNode.Parse(
            """{"type":"RobertaProcessing","sep":["</s>",2],"cls":["<s>",0],"trim_offsets":true,"add_prefix_space":true}""")));
        yield return ("Bert", Make(null, ByteLevel(true, true), bytes: true, static json => json["post_processor"] = JsonNode.Parse(
            """{"type":"BertProcessing","sep":["</s>",2],"cls":["<s>",0]}""")));
    }

    private static void RemoveUnused(JsonObject model, Predicate<string> isRemoved)
    {
        JsonObject vocabulary = model["vocab"]!.AsObject();
        foreach (string token in vocabulary.Select(static token => token.Key).Where(token => isRemoved(token)).ToArray())
        {
            vocabulary.Remove(token);
        }

        // A merge whose parts or whole are gone goes too, and so on.
        JsonNode[] left = [.. model["merges"]!.AsArray().Select(static merge => merge!.DeepClone())
            .Where(merge => vocabulary.ContainsKey((string)merge[0]!) && vocabulary.ContainsKey((string)merge[1]!))];
        model["merges"] = new JsonArray(left);
    }

    // Merges of the most frequent pairs of a text, as characters or as bytes in their alphabet.
    private static (Dictionary<string, int> Vocabulary, List<(string, string)> Merges) Vocabulary(bool bytes)
    {
        if (bytes)
        {
            return learnedBytes ??= Learn(bytes: true);
        }

        return learnedCharacters ??= Learn(bytes: false);
    }

    private static (Dictionary<string, int>, List<(string, string)>)? learnedBytes;
    private static (Dictionary<string, int>, List<(string, string)>)? learnedCharacters;

    private static (Dictionary<string, int>, List<(string, string)>) Learn(bool bytes)
    {
        string text = "the Hello world  abc the hello THE don't 1234 12 HTTPServer camelCase x=1;\n    y=2;\n\n中文 漢字かな мир ее éé É がが ... !? the\r\n  the 각한 😀😀 été hello hello world the there then";
        text = bytes ? ByteAlphabet.ToText(Encoding.UTF8.GetBytes(text)) : text.Replace(' ', '▁');
        List<string> symbols = [.. text.EnumerateRunes().Select(static rune => rune.ToString())];
        IEnumerable<string> first = bytes
            ? BpeVocabulary.ByteTokens().Keys
            : ["<unk>", .. Enumerable.Range(0, 256).Select(static value => $"<0x{value.ToString("X2", CultureInfo.InvariantCulture)}>"), .. symbols.Distinct().Order(StringComparer.Ordinal)];
        var vocabulary = first.Index().ToDictionary(static item => item.Item, static item => item.Index);
        var merges = new List<(string, string)>();
        while (symbols.Count > 60)
        {
            (string First, string Second) pair = symbols.Zip(symbols.Skip(1))
                .GroupBy(static pair => pair)
                .MaxBy(static group => (group.Count(), group.Key.Item1 + "\0" + group.Key.Item2))!.Key;
            merges.Add(pair);
            vocabulary.TryAdd(pair.First + pair.Second, vocabulary.Count);
            for (int i = 0; i + 1 < symbols.Count; i++)
            {
                if (symbols[i] == pair.First && symbols[i + 1] == pair.Second)
                {
                    symbols[i] += symbols[i + 1];
                    symbols.RemoveAt(i + 1);
                }
            }
        }

        return (vocabulary, merges);
    }
}
