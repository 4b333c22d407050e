using System.IO.Compression;
using System.Text;
using System.Text.Json.Nodes;
using DynConv.Models.Tokenizers;

namespace DynConv.Models.Tests.Tokenizers;

public sealed class TokenizerLoaderTests
{
    private const string Llama3Split =
        """{"type":"Split","pattern":{"Regex":"REGEX"},"behavior":"Isolated","invert":false}""";

    private const string ByteLevel =
        """{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}""";

    [Fact]
    public void Bytes_is_a_tokenizer_without_a_file() => Assert.IsType<ByteTokenizer>(TokenizerLoader.Load("bytes"));

    [Fact]
    public void The_byte_tokenizer_comes_back_from_its_file()
    {
        using var folder = new TemporaryFolder();
        new ByteTokenizer().Save(folder.File("tokenizer.json"));
        Assert.IsType<ByteTokenizer>(TokenizerLoader.Load(folder.Path));
        JsonNode model = JsonNode.Parse(File.ReadAllText(folder.File("tokenizer.json")))!["model"]!;
        Assert.Equal(256, model["vocab"]!.AsObject().Count);
        Assert.Equal(32, (int)model["vocab"]!["Ġ"]!);
        Assert.Empty(model["merges"]!.AsArray());
    }

    [Theory]
    [InlineData("vocab.json", "merges.txt", false)]
    [InlineData("encoder.json", "vocab.bpe", false)]
    [InlineData("vocab.json", "vocab.bpe", true)]
    public void Vocabulary_and_merges_in_two_files_are_found_from_either_and_from_the_folder(
        string vocabularyName, string mergesName, bool packed)
    {
        using var folder = new TemporaryFolder();
        JsonObject json = SmallVocabulary.Make();
        JsonObject vocabulary = json["model"]!["vocab"]!.DeepClone().AsObject();
        vocabulary["<|endoftext|>"] = 261;
        string merges = $"#version: 0.2\n{string.Join('\n', Merges(json))}\n";
        string vocabularyPath = Write(folder, vocabularyName, vocabulary.ToJsonString(), packed);
        string mergesPath = Write(folder, mergesName, merges, packed);
        Assert.All([folder.Path, vocabularyPath, mergesPath], path =>
        {
            ITokenizer tokenizer = TokenizerLoader.Load(path);
            Assert.Equal([259, 260], tokenizer.Encode("hello w"));
            Assert.Equal(261, tokenizer.EndOfTextId);
        });
    }

    [Fact]
    public void A_file_of_any_name_and_packed_is_read()
    {
        using var folder = new TemporaryFolder();
        string path = Write(folder, "english.json", SmallVocabulary.Make().ToJsonString(), packed: true);
        Assert.Equal([259], TokenizerLoader.Load(path).Encode("hello"));
    }

    [Fact]
    public void What_was_read_is_written_back_as_it_was()
    {
        using var folder = new TemporaryFolder();
        JsonObject json = SmallVocabulary.Make();
        SetPretokenizer(json, PretokenizerRegex.Llama3);
        json["model"]!["merges"] = SmallVocabulary.Json("""[["l","l"],["h","e"],["he","ll"]]""");
        json["model"]!["ignore_merges"] = true;
        json["unknown"] = "kept";
        string path = folder.Write("tokenizer.json", json.ToJsonString());
        ITokenizer tokenizer = TokenizerLoader.Load(path);
        Assert.Equal([259, '1', '2', '3', '4'], tokenizer.Encode("hello1234"));
        tokenizer.Save(folder.File("saved.json"));
        Assert.Equal(File.ReadAllText(path), File.ReadAllText(folder.File("saved.json")));
    }

    [Fact]
    public void What_is_saved_is_what_was_loaded()
    {
        using var folder = new TemporaryFolder();
        JsonObject json = SmallVocabulary.Make();
        json["pre_tokenizer"]!["add_prefix_space"] = true;
        json["added_tokens"]!.AsArray().Add(SmallVocabulary.Json("""{"id":262,"content":"<ж>","lstrip":true}"""));
        ITokenizer first = TokenizerLoader.Load(folder.Write("a.json", json.ToJsonString()));
        first.Save(folder.File("b.json"));
        ITokenizer second = TokenizerLoader.Load(folder.File("b.json"));
        second.Save(folder.File("c.json"));
        Assert.Equal(File.ReadAllText(folder.File("b.json")), File.ReadAllText(folder.File("c.json")));
        Assert.Equal("<ж>", second.DecodeText([262]));
        Assert.Equal([260], second.Encode("w"));
        Assert.Equal(["a.json", "b.json", "c.json"], Directory.GetFiles(folder.Path).Select(Path.GetFileName).Order());
    }

    [Theory]
    [InlineData("Unigram")]
    [InlineData("WordPiece")]
    [InlineData("WordLevel")]
    public void Other_models_are_refused_by_name(string type)
    {
        string message = SmallVocabulary.Refused(json => json["model"]!["type"] = type).Message;
        Assert.Contains($"tokenizer.json: model is of type {type}; only BPE is supported", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("model", "dropout", "0.1", "model.dropout must be 0: with dropout a text has other tokens each time")]
    [InlineData("model", "merges", "[\"h e\", \"hel\"]", "model.merges[1] must be two tokens with one space between them")]
    [InlineData("model", "merges", "[[\"h\"]]", "model.merges[0] must be two tokens")]
    [InlineData("model", "merges", "[3]", "model.merges[0] must be an array, but is a number")]
    [InlineData("model", "merges", "[\"h qq\"]", "merge 0 'h qq' needs the token 'qq', which the vocabulary lacks")]
    [InlineData("model", "merges", "[\"e h\"]", "merge 0 'e h' needs the token 'eh', which the vocabulary lacks")]
    [InlineData("model", "merges", null, "model has no 'merges'")]
    [InlineData("model", "vocab", "{\"a\":1.5}", "model.vocab['a'] must be a token id from 0, but is 1.5")]
    [InlineData("model", "vocab", "{\"a\":-1}", "model.vocab['a'] must be a token id from 0, but is -1")]
    [InlineData("model", "vocab", "{\"a\":null}", "model.vocab['a'] must be a token id, but is null")]
    [InlineData("model", "vocab", "{\"a\":0,\"b\":0}", "tokens 'a' and 'b' have the same id 0")]
    [InlineData("model", "vocab", "{\"a\":4194304}", "the id 4194304 is too large: at most 4194303 is supported")]
    [InlineData("pre_tokenizer", "type", "\"FixedLength\"", "pre_tokenizer is of type FixedLength; supported are ByteLevel, ")]
    [InlineData("added_tokens", "0", "{\"id\":1,\"content\":3}", "added_tokens[0].content must be a string, but is a number")]
    [InlineData("model", "vocab", "[]", "model.vocab must be an object, but is an array")]
    [InlineData("pre_tokenizer", "type", "\"Metaspace\"", "pre_tokenizer has no 'replacement'")]
    [InlineData("pre_tokenizer", "use_regex", "1", "pre_tokenizer.use_regex must be true or false, but is a number")]
    [InlineData("added_tokens", "0", "{\"id\":261}", "added_tokens[0] has no 'content'")]
    public void A_corrupt_part_is_named(string part, string name, string? value, string expected)
    {
        DynConvException exception = SmallVocabulary.Refused(json =>
        {
            JsonNode? replacement = value is null ? null : SmallVocabulary.Json(value);
            if (json[part] is JsonArray array)
            {
                array[int.Parse(name)] = replacement;
            }
            else
            {
                json[part]![name] = replacement;
            }
        });
        Assert.Contains("tokenizer.json: ", exception.Message, StringComparison.Ordinal);
        Assert.Contains(expected, exception.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', exception.Message);
    }

    [Fact]
    public void A_token_that_stands_twice_in_the_vocabulary_is_named()
    {
        using var folder = new TemporaryFolder();
        string path = folder.Write(
            "tokenizer.json",
            """{"model":{"type":"BPE","vocab":{"a":0,"a":1},"merges":[]},"pre_tokenizer":{"type":"ByteLevel"}}""");
        Assert.Equal($"{path}: model.vocab has the token 'a' twice.", Refused(path));
    }

    [Theory]
    [InlineData("\"h e\"", "model.merges[0] is not Unicode text.")]
    [InlineData("\"hello\":", "model.vocab has a token that is not Unicode text.")]
    public void Strings_that_are_no_text_are_refused(string place, string expected)
    {
        using var folder = new TemporaryFolder();
        string json = SmallVocabulary.Make().ToJsonString()
            .Replace(place, place.Insert(1, @"\ud800"), StringComparison.Ordinal);
        string path = folder.Write("tokenizer.json", json);
        Assert.Equal($"{path}: {expected}", Refused(path));
    }

    [Theory]
    [InlineData("""{"type":"Precompiled","precompiled_charsmap":""}""", "normalizer is of type Precompiled; supported are NFC")]
    [InlineData("""{"type":"Sequence","normalizers":[{"type":"BertNormalizer"}]}""", "normalizer.normalizers[0] is of type BertNormalizer")]
    [InlineData("""{"type":"Replace","pattern":{},"content":""}""", "normalizer.pattern has neither a 'String' nor a 'Regex'")]
    [InlineData("""{"type":"NFC","type":"NFC"}""", "normalizer has 'type' twice")]
    public void A_normalizer_that_is_not_supported_is_refused(string normalizer, string expected)
    {
        using var folder = new TemporaryFolder();
        JsonObject json = SmallVocabulary.Make();
        json["normalizer"] = "NORMALIZER";
        string path = folder.Write("tokenizer.json", json.ToJsonString().Replace("\"NORMALIZER\"", normalizer, StringComparison.Ordinal));
        Assert.Contains(expected, Refused(path), StringComparison.Ordinal);
    }

    [Fact]
    public void A_normalizer_that_does_nothing_is_taken()
    {
        JsonNode nothing = SmallVocabulary.Json("""{"type":"Sequence","normalizers":[]}""");
        Assert.Equal([259], SmallVocabulary.Load(json => json["normalizer"] = nothing).Encode("hello"));
    }

    [Theory]
    [InlineData(@"(a)\1", @"is the regular expression (a)\1, in which references to groups are not supported.")]
    [InlineData("[a", "is the regular expression [a, in which a [ is not closed.")]
    [InlineData(@"\p{Klingon}", @"is the regular expression \p{Klingon}, in which the property Klingon is not known.")]
    public void A_regular_expression_that_is_not_supported_is_shown(string regex, string expected) => Assert.Contains(
        $"pre_tokenizer.pretokenizers[0].pattern {expected}",
        SmallVocabulary.Refused(json => SetPretokenizer(json, regex)).Message,
        StringComparison.Ordinal);

    [Theory]
    [InlineData("""{"type":"TemplateProcessing","single":[],"special_tokens":{}}""", "post_processor.single must have the sequence A")]
    [InlineData("""{"type":"BertProcessing","cls":["x",900],"sep":["y",1]}""", "post_processor puts in the id 900, which the vocabulary lacks")]
    [InlineData("""{"type":"Whatever"}""", "post_processor is of type Whatever; supported are")]
    public void A_template_that_makes_no_sense_is_refused(string processor, string expected) => Assert.Contains(
        expected,
        SmallVocabulary.Refused(json => json["post_processor"] = SmallVocabulary.Json(processor)).Message,
        StringComparison.Ordinal);

    [Fact]
    public void A_packed_file_that_is_large_unpacked_is_refused()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("tokenizer.json.gz");
        using (var gzip = new GZipStream(File.Create(path), CompressionLevel.Fastest))
        {
            byte[] spaces = new byte[1 << 20];
            for (int megabytes = 0; megabytes <= TokenizerFiles.LargestBytes >> 20; megabytes++)
            {
                gzip.Write(spaces);
            }
        }

        Assert.Equal($"{path} is too large for a tokenizer: at most 128 MiB are read.", Refused(path));
    }

    [Fact]
    public void A_name_with_half_a_character_is_nobodys()
    {
        using var folder = new TemporaryFolder();
        string json = SmallVocabulary.Make().ToJsonString();
        Assert.Equal([259], TokenizerLoader.Load(folder.Write("tokenizer.json", json.Insert(1, "\"\\ud800\":1,"))).Encode("hello"));
    }

    [Fact]
    public void Deep_nesting_is_refused()
    {
        using var folder = new TemporaryFolder();
        string path = folder.Write("tokenizer.json", $"{{\"a\":{new string('[', 100_000)}");
        Assert.Equal($"{path} is nested too deeply to be a tokenizer.", Refused(path));
    }

    [Fact]
    public void Truncated_JSON_is_refused_wherever_it_ends()
    {
        using var folder = new TemporaryFolder();
        string json = SmallVocabulary.Make().ToJsonString();
        for (int length = 0; length < json.Length; length += 97)
        {
            string path = folder.Write("tokenizer.json", json[..length]);
            Assert.StartsWith($"{path} is not valid JSON: line 1, byte ", Refused(path), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_file_with_random_damage_is_read_or_refused_with_a_sentence()
    {
        using var folder = new TemporaryFolder();
        byte[] json = Encoding.UTF8.GetBytes(SmallVocabulary.Make().ToJsonString());
        string path = folder.File("tokenizer.json");
        var random = new Random(12);
        int refused = 0;
        for (int i = 0; i < 1000; i++)
        {
            byte[] damaged = [.. json];
            damaged[random.Next(json.Length)] = (byte)random.Next(256);
            File.WriteAllBytes(path, damaged);
            try
            {
                TokenizerLoader.Load(path);
            }
            catch (DynConvException exception)
            {
                refused++;
                Assert.StartsWith(path, exception.Message, StringComparison.Ordinal);
            }
        }

        Assert.InRange(refused, 500, 1000);
    }

    [Fact]
    public void A_bad_line_of_merges_is_named()
    {
        using var folder = new TemporaryFolder();
        folder.Write("vocab.json", SmallVocabulary.Make()["model"]!["vocab"]!.ToJsonString());
        string merges = folder.Write("merges.txt", "#version: 0.2\nh e\nhell\n");
        Assert.Equal(
            $"{merges}, line 3: a merge is two tokens with a space between, but this is 'hell'.",
            Refused(folder.Path));
    }

    [Fact]
    public void What_is_missing_is_said()
    {
        using var folder = new TemporaryFolder();
        Assert.Contains("There is no tokenizer at ", Refused(folder.File("none.json")), StringComparison.Ordinal);
        Assert.Contains("holds no tokenizer", Refused(folder.Path), StringComparison.Ordinal);
        string model = folder.Write("tokenizer.model", "");
        Assert.StartsWith($"{model} is a SentencePiece model", Refused(folder.Path), StringComparison.Ordinal);
        string vocabulary = folder.Write("vocab.json", "{}");
        Assert.Equal($"{vocabulary} needs merges.txt or vocab.bpe beside it, and there is none.", Refused(folder.Path));
    }

    [Fact]
    public void A_broken_archive_is_named()
    {
        using var folder = new TemporaryFolder();
        string path = folder.Write("tokenizer.json.gz", "not packed");
        Assert.StartsWith($"Cannot read {path}: ", Refused(path), StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_cannot_be_written_leaves_nothing_behind()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("taken");
        Directory.CreateDirectory(path);
        string message = Assert.Throws<DynConvException>(() => new ByteTokenizer().Save(path)).Message;
        Assert.StartsWith($"{path} could not be written: ", message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(folder.Path));
    }

    private static string Refused(string path) =>
        Assert.Throws<DynConvException>(() => TokenizerLoader.Load(path)).Message;

    private static void SetPretokenizer(JsonObject json, string regex)
    {
        JsonNode split = SmallVocabulary.Json(Llama3Split);
        split["pattern"]!["Regex"] = regex;
        json["pre_tokenizer"] = new JsonObject
        {
            ["type"] = "Sequence",
            ["pretokenizers"] = new JsonArray(split, SmallVocabulary.Json(ByteLevel)),
        };
    }

    private static IEnumerable<string> Merges(JsonNode json) =>
        json["model"]!["merges"]!.AsArray().Select(merge => (string)merge!);

    private static string Write(TemporaryFolder folder, string name, string content, bool packed)
    {
        if (!packed)
        {
            return folder.Write(name, content);
        }

        string path = folder.File(name + ".gz");
        using var gzip = new GZipStream(File.Create(path), CompressionLevel.Fastest);
        gzip.Write(Encoding.UTF8.GetBytes(content));
        return path;
    }
}
