using System.Text;
using DynConv.Models.Tokenizers;

namespace DynConv.Models.Tests.Tokenizers;

/// <summary><c>tokenizer.json</c> means what it means to Hugging Face's library.</summary>
public sealed class HuggingFaceTests
{
    public static TheoryData<string> Cases => [.. CaseFiles.Names];

    [Theory]
    [MemberData(nameof(Cases))]
    public void Ids_of_known_texts_are_the_known_ones(string name)
    {
        ITokenizer tokenizer = TokenizerLoader.Load(CaseFiles.Path(name));
        int[][] expected = CaseFiles.Expected(name);
        Assert.Equal(CaseFiles.Texts.Length, expected.Length);
        Assert.All(CaseFiles.Texts.Zip(expected), pair => Assert.Equal(pair.Second, tokenizer.EncodeWithTemplate(pair.First)));
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Texts_come_back(string name)
    {
        ITokenizer tokenizer = TokenizerLoader.Load(CaseFiles.Path(name));
        using Oracle oracle = Oracle.Load(CaseFiles.Path(name));
        bool isWhole = name is not ("partial-alphabet.json" or "qwen2-with-nfc.json");
        Assert.All(CaseFiles.Texts, text =>
        {
            // The library leaves out special tokens, which texts contain by name.
            int[] ids = [.. tokenizer.Encode(text)];
            int[] plain = [.. ids.Where(id => tokenizer.ByteCount(id) > 0)];
            Assert.Equal(isWhole ? text : oracle.Decode(plain), tokenizer.DecodeText(isWhole ? ids : plain));
        });
    }

    [Fact]
    public void A_pattern_of_many_levels_is_read_or_refused_but_not_for_ever()
    {
        using var folder = new TemporaryFolder();
        Assert.NotEmpty(Nested(40, static inner => $"({inner}|z)?y?").Encode("the"));
        Assert.EndsWith(", in which it is too large.", Assert.Throws<DynConvException>(() => Nested(40, static inner => $"({inner})+z?")).Message);

        ITokenizer Nested(int levels, Func<string, string> wrap) => TokenizerLoader.Load(folder.Write("tokenizer.json", TokenizerShapes.Make(
            null, TokenizerShapes.Split(Enumerable.Range(0, levels).Aggregate("x?", (inner, _) => wrap(inner)), "Isolated", false), bytes: false)));
    }

    [Fact]
    public void Added_tokens_that_begin_in_white_space_taken_by_others_are_found_all_the_same()
    {
        using var folder = new TemporaryFolder();
        foreach (string second in (string[])[" ", " b", "  ", "b"])
        {
            foreach (bool normalized in (bool[])[false, true])
            {
                string path = folder.Write("tokenizer.json", TokenizerShapes.Make(null, null, bytes: true, json =>
                {
                    var added = (System.Text.Json.Nodes.JsonArray)json["added_tokens"]!;
                    added.Add(Added(1000, "<a>", normalized, left: false, right: true));
                    added.Add(Added(1001, second, normalized, left: second == "b", right: false));
                }));
                using Oracle oracle = Oracle.Load(path);
                ITokenizer tokenizer = TokenizerLoader.Load(path);
                foreach (string text in (string[])["<a> b", "<a>   b", "x<a>  <a> b b", " b<a>", "<a>  b <a>"])
                {
                    Assert.True(oracle.Encode(text).SequenceEqual(tokenizer.Encode(text)), $"'{second}' in '{text}'");
                }
            }
        }

        static System.Text.Json.Nodes.JsonNode Added(int id, string content, bool normalized, bool left, bool right) => SmallVocabulary.Json(
            $$"""{"id":{{id}},"content":"{{content}}","single_word":false,"lstrip":{{(left ? "true" : "false")}},"rstrip":{{(right ? "true" : "false")}},"normalized":{{(normalized ? "true" : "false")}},"special":false}""");
    }

    [Fact]
    public void A_special_tokens_name_that_only_normalization_makes_is_found_whole_or_spelled_when_asked()
    {
        using var folder = new TemporaryFolder();
        const string Json =
            """{"added_tokens":[{"id":0,"content":"<s>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}],"normalizer":{"type":"Lowercase"},"pre_tokenizer":{"type":"WhitespaceSplit"},"post_processor":null,"decoder":null,"model":{"type":"BPE","ignore_merges":true,"vocab":{"<s>":0,"<":1,"s":2,">":3,"d":4,"b":5},"merges":[]}}""";
        string path = folder.Write("tokenizer.json", Json);
        using Oracle oracle = Oracle.Load(path);
        ITokenizer tokenizer = TokenizerLoader.Load(path);
        List<int> spelled = [];
        tokenizer.Encode("d <S> b"u8, spelled, new EncodeOptions { SpecialTokens = SpecialTokens.Spell });
        Assert.Equal([4, 1, 2, 3, 5], spelled);
        Assert.Equal([4, 0, 5], tokenizer.Encode("d <S> b"));
        Assert.Equal(oracle.Encode("d <S> b"), tokenizer.Encode("d <S> b"));
    }

    [Fact]
    public void Text_goes_on_where_a_decoder_takes_something_back()
    {
        ITokenizer tokenizer = SmallVocabulary.Load(json => json["decoder"] = SmallVocabulary.Json(
            """{"type":"Sequence","decoders":[{"type":"ByteLevel"},{"type":"Replace","pattern":{"String":"ab"},"content":""}]}"""));
        var stream = new StreamingDecoder(tokenizer);
        Assert.Equal("ac", string.Concat(tokenizer.Encode("abc").Select(stream.Append)) + stream.Finish());
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Ids_of_random_Unicode_text_are_those_of_the_library(string name)
    {
        using Oracle oracle = Oracle.Load(CaseFiles.Path(name));
        Compare(name, oracle, TokenizerLoader.Load(CaseFiles.Path(name)), texts: 100);
    }

    [Fact]
    public void Every_kind_of_tokenizer_gives_the_ids_of_the_library()
    {
        using var folder = new TemporaryFolder();
        int shapes = 0;
        foreach ((string name, string json) in TokenizerShapes.All())
        {
            string path = folder.Write("tokenizer.json", json);
            using Oracle oracle = Oracle.Load(path);
            Compare(name, oracle, TokenizerLoader.Load(path), texts: 10);
            shapes++;
        }

        Assert.True(shapes > 800);
    }

    [Fact]
    public void Tokenizers_decode_as_the_library_does()
    {
        using var folder = new TemporaryFolder();
        foreach (string decoder in (string[])
        [
            """{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true}""",
            """{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]}""",
            """{"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":true}""",
            """{"type":"Metaspace","replacement":"▁","prepend_scheme":"never","split":true}""",
            """{"type":"Fuse"}""",
            """{"type":"BPEDecoder","suffix":"▁"}""",
            """{"type":"Replace","pattern":{"Regex":"[aeiou]+"},"content":"-"}""",
        ])
        {
            foreach (bool bytes in (bool[])[false, true])
            {
                string path = folder.Write("tokenizer.json", TokenizerShapes.Make(null, null, bytes, json => json["decoder"] = SmallVocabulary.Json(decoder)));
                using Oracle oracle = Oracle.Load(path);
                ITokenizer tokenizer = TokenizerLoader.Load(path);
                foreach (string text in (string[])["hello▁the▁world", "▁▁the 中文 é", "the", "   a"])
                {
                    int[] ids = [.. tokenizer.Encode(text)];
                    Assert.True(oracle.Decode(ids) == tokenizer.DecodeText(ids), $"{decoder} {bytes}: {text}");
                    var stream = new StreamingDecoder(tokenizer);
                    string streamed = string.Concat(ids.Select(stream.Append)) + stream.Finish();
                    Assert.True(decoder.Contains("BPEDecoder", StringComparison.Ordinal) || streamed == tokenizer.DecodeText(ids), $"{decoder} {bytes}: {text}");
                }
            }
        }
    }

    [Fact]
    public void Parts_of_a_document_have_the_ids_of_the_whole()
    {
        using var folder = new TemporaryFolder();
        var random = new Random(5);
        string[] shapes =
        [
            TokenizerShapes.Make(null, TokenizerShapes.ByteLevel(prefix: true, regex: true), bytes: true),
            TokenizerShapes.Make("""{"type":"NFC"}""", TokenizerShapes.Sequence("""{"type":"Digits","individual_digits":true}""", TokenizerShapes.ByteLevel(true, true)), bytes: true),
            TokenizerShapes.Make(null, TokenizerShapes.Sequence(TokenizerShapes.Split(TokenizerShapes.O200K, "Isolated", false), TokenizerShapes.ByteLevel(false, false)), bytes: true),
            TokenizerShapes.Make("""{"type":"Strip","strip_left":true,"strip_right":true}""", """{"type":"Metaspace","replacement":"▁","prepend_scheme":"first","split":true}""", bytes: false),
            TokenizerShapes.Make("""{"type":"Prepend","prepend":"▁"}""", null, bytes: false),
        ];
        foreach (string json in shapes)
        {
            ITokenizer tokenizer = TokenizerLoader.Load(folder.Write("tokenizer.json", json));
            byte[] text = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Range(0, 400).Select(_ => UnicodeText.Make(random, 20) + "word\n")));
            List<int> parts = [];
            int start = 0;
            var part = TextPart.Whole;
            while (text.Length - start > 8000)
            {
                int cut = tokenizer.FindCut(text.AsSpan(start, 8000));
                tokenizer.Encode(text.AsSpan(start, cut), parts, new EncodeOptions { Part = part | TextPart.Unfinished });
                part = TextPart.Continues;
                start += cut;
            }

            tokenizer.Encode(text.AsSpan(start), parts, new EncodeOptions { Part = part });
            List<int> whole = [];
            tokenizer.Encode(text, whole);
            Assert.Equal(whole, parts);
        }
    }

    [Fact]
    public void A_pattern_that_never_ends_is_said()
    {
        using var folder = new TemporaryFolder();
        string path = folder.Write("tokenizer.json", TokenizerShapes.Make(
            null, TokenizerShapes.Sequence(TokenizerShapes.Split("(?:a|a)*b", "Isolated", false), TokenizerShapes.ByteLevel(false, false)), bytes: true));
        ITokenizer tokenizer = TokenizerLoader.Load(path);
        Assert.Equal(
            "The regular expression (?:a|a)*b of the tokenizer takes too many steps on this text.",
            Assert.Throws<DynConvException>(() => tokenizer.Encode(new string('a', 100))).Message);
    }

    private static void Compare(string name, Oracle oracle, ITokenizer tokenizer, int texts)
    {
        var random = new Random(3);
        for (int i = 0; i < texts; i++)
        {
            string text = UnicodeText.Make(random, random.Next(1, 30));
            Assert.True(oracle.Encode(text).AsSpan().SequenceEqual(tokenizer.EncodeWithTemplate(text)), $"{name}: {text}");
        }
    }

}
