using System.Text.Json.Nodes;
using DynConv.Models.Generation;
using DynConv.Models.Tests.Tokenizers;
using DynConv.Models.Tokenizers;
using DynConv.Tests;

namespace DynConv.Models.Tests;

/// <summary>What the files of a model's folder say of its tokens; those of other tools are in <c>tests/cases/models</c>.</summary>
public sealed class ModelTokenizerTests
{
    // <bos> 256, <eos> 257, <|im_end|> 258; config.json and generation_config.json end with the latter two.
    private const string ByConfiguration = "end-token-by-config";

    public static TheoryData<string, string, string, int?, int[]> Files => new()
    {
        { "{}", "{}", "{}", null, [] },
        { """{"eos_token_id": 257}""", "{}", "{}", 257, [257] },
        { "{}", """{"eos_token_id": 258}""", "{}", 258, [258] },
        { """{"eos_token_id": [257, 258]}""", """{"eos_token_id": 258}""", "{}", 258, [258, 257] },
        { """{"eos_token_id": [258, 257]}""", "{}", """{"eos_token": "<eos>"}""", 257, [257, 258] },
        { "{}", "{}", """{"eos_token": {"content": "<|im_end|>", "special": true}}""", 258, [258] },
        { """{"eos_token_id": null}""", """{"eos_token_id": []}""", """{"eos_token": null}""", null, [] },
        { """{"eos_token_id": -1}""", "{}", """{"eos_token": "nowhere"}""", null, [] },

        // What a configuration says that nobody has filled in is a letter: generation ends there, as elsewhere, documents do not.
        { """{"eos_token_id": 2}""", "{}", "{}", null, [2] },
        { """{"eos_token_id": [2, 257, 4000]}""", "{}", "{}", 257, [257, 2, 4000] },
    };

    [Theory]
    [MemberData(nameof(Files))]
    public void Any_of_the_files_can_name_end_tokens(string configuration, string generation, string tokenizer, int? separator, int[] ends)
    {
        using var folder = new TemporaryFolder();
        File.Copy(Case(ByConfiguration, "tokenizer.json"), folder.File("tokenizer.json"));
        folder.Write("config.json", configuration);
        folder.Write("generation_config.json", generation);
        folder.Write("tokenizer_config.json", tokenizer);

        foreach (string path in (string[])[folder.Path, folder.File("tokenizer.json")])
        {
            ModelTokenizer read = ModelTokenizer.Load(path);
            Assert.Equal(separator, read.Tokenizer.EndOfTextId);
            Assert.Equal(ends, read.EndTokens);
        }
    }

    [Fact]
    public void An_older_folder_names_it_in_the_map_of_special_tokens_and_none_may_have_any_file()
    {
        using var folder = new TemporaryFolder();
        File.Copy(Case(ByConfiguration, "tokenizer.json"), folder.File("tokenizer.json"));
        Assert.Empty(ModelTokenizer.Load(folder.Path).EndTokens);
        folder.Write("special_tokens_map.json", """{"eos_token": "<eos>"}""");
        Assert.Equal([257], ModelTokenizer.Load(folder.Path).EndTokens);
        Assert.Equal([256], ModelTokenizer.Load("bytes").EndTokens);
    }

    [Fact]
    public void Another_programs_configuration_beside_a_tokenizer_is_left_alone()
    {
        using var folder = new TemporaryFolder();
        File.Copy(Case(ByConfiguration, "tokenizer.json"), folder.File("tokenizer.json"));
        folder.Write("config.json", "// not ours");
        Assert.Empty(ModelTokenizer.Load(folder.File("tokenizer.json")).EndTokens);
    }

    [Theory]
    [InlineData("generation_config.json", """{"eos_token_id": 1.5}""", "eos_token_id is 1.5; a whole number or a list of such is wanted.")]
    [InlineData("generation_config.json", """{"eos_token_id": [1, "2"]}""", "eos_token_id is [1,\"2\"]; a whole number or a list of such is wanted.")]
    [InlineData("config.json", """{"eos_token_id": "<eos>"}""", "eos_token_id is \"<eos>\"; a whole number or a list of such is wanted.")]
    [InlineData("tokenizer_config.json", """{"eos_token": 5}""", "eos_token is 5; a text is wanted.")]
    [InlineData("tokenizer_config.json", """{"eos_token": {"content": ["a"]}}""", "eos_token.content is [\"a\"]; a text is wanted.")]
    [InlineData("tokenizer_config.json", """{"eos_token": "\ud800"}""", "eos_token is not valid Unicode: it has half of a surrogate pair or broken UTF-8.")]
    [InlineData("generation_config.json", "[]", "A JSON object is wanted here.")]
    public void What_no_token_can_be_is_refused(string name, string content, string problem)
    {
        using var folder = new TemporaryFolder();
        File.Copy(Case(ByConfiguration, "tokenizer.json"), folder.File("tokenizer.json"));
        string path = folder.Write(name, content);
        Assert.Equal($"{path}: {problem}", Assert.Throws<DynConvException>(() => ModelTokenizer.Load(folder.Path)).Message);
    }

    [Theory]
    [InlineData("generation_config.json", """{"bos_token_id": 256, "eos_token_id": [257, 258], "do_sample": true}""")]
    [InlineData("tokenizer_config.json", """{"eos_token": {"content": "<eos>", "lstrip": false}, "chat_template": "{{ x }}"}""")]
    public void Damaged_files_are_read_or_refused(string name, string content)
    {
        string tokenizer = Case(ByConfiguration, "tokenizer.json");
        Fuzz.Files(name, name, [System.Text.Encoding.UTF8.GetBytes(content)], path =>
        {
            File.Copy(tokenizer, Path.Combine(Path.GetDirectoryName(path)!, "tokenizer.json"));
            ModelTokenizer.Load(Path.GetDirectoryName(path)!);
        });
    }

    [Fact]
    public void The_template_can_be_left_out_and_is_then_not_in_the_file_either()
    {
        ITokenizer with = ModelTokenizer.Load(Case("bos-template")).Tokenizer;
        ITokenizer without = ModelTokenizer.Load(Case("bos-template"), template: false).Tokenizer;
        Assert.Equal([256, 'a'], with.EncodeWithTemplate("a"));
        Assert.Equal(['a'], without.EncodeWithTemplate("a"));
        Assert.Equal((with.VocabularySize, with.EndOfTextId, 257), (without.VocabularySize, without.EndOfTextId, without.FindToken("<|end_of_text|>")));
        Assert.Equal(0, without.ByteCount(256));
        Assert.False(without.Contains(258));
        Assert.Equal(256, without.WithEndOfText(256).EndOfTextId);

        using var folder = new TemporaryFolder();
        without.Save(folder.File("tokenizer.json"));
        Assert.True(TokenizerLoader.Load(folder.Path).Template.IsEmpty);
        Assert.Equal("Grüße <|end_of_text|>"u8, TokenizerLoader.Load(folder.Path).Decode(without.Encode("Grüße <|end_of_text|>")));
    }

    [Theory]
    [InlineData("bos-template", "256", "257", "<|begin_of_text|>", "<|end_of_text|>")]
    [InlineData(ByConfiguration, "256", "[257,258]", "<bos>", "<eos>")]
    [InlineData("padded-vocabulary", "256", "256", "<|endoftext|>", "<|endoftext|>")]
    public void A_saved_folder_says_in_all_its_files_how_texts_begin_and_end(string name, string first, string last, string firstName, string lastName)
    {
        using var folder = new TemporaryFolder();
        using LanguageModel model = ModelFolder.Load(Case(name));
        ModelTokenizer tokens = ModelTokenizer.Load(Case(name));
        ModelFolder.Save(folder.Path, model, tokens.Tokenizer, tokens.EndTokens);

        foreach (string file in (string[])["config.json", "generation_config.json"])
        {
            JsonNode ids = JsonNode.Parse(File.ReadAllText(folder.File(file)))!;
            Assert.Equal((first, last), (ids["bos_token_id"]!.ToJsonString(), ids["eos_token_id"]!.ToJsonString()));
        }

        JsonNode names = JsonNode.Parse(File.ReadAllText(folder.File("tokenizer_config.json")))!;
        Assert.Equal((firstName, lastName), ((string?)names["bos_token"], (string?)names["eos_token"]));
        ModelTokenizer read = ModelTokenizer.Load(folder.Path);
        Assert.Equal(tokens.EndTokens, read.EndTokens);
        Assert.Equal(tokens.Tokenizer.EndOfTextId, read.Tokenizer.EndOfTextId);
        Assert.Equal(tokens.Tokenizer.Template.Before, read.Tokenizer.Template.Before);
    }

    [Theory]
    [InlineData("4000")]
    [InlineData("2")]
    [InlineData("[97, 4000]")]
    public void An_end_id_that_is_no_end_token_keeps_its_number_and_gets_no_name(string id)
    {
        using var folder = new TemporaryFolder();
        using LanguageModel model = ModelFolder.Load(Case(ByConfiguration));
        File.Copy(Case(ByConfiguration, "tokenizer.json"), folder.File("tokenizer.json"));
        folder.Write("generation_config.json", $$"""{"eos_token_id": {{id}}}""");
        ModelTokenizer tokens = ModelTokenizer.Load(folder.Path);
        Assert.Null(tokens.Tokenizer.EndOfTextId);

        using var saved = new TemporaryFolder();
        ModelFolder.Save(saved.Path, model, tokens.Tokenizer, tokens.EndTokens);
        ModelTokenizer read = ModelTokenizer.Load(saved.Path);
        Assert.Equal(tokens.EndTokens, read.EndTokens);
        Assert.Null(read.Tokenizer.EndOfTextId);
    }

    [Fact]
    public void A_file_that_other_readers_take_can_be_saved_without_its_template()
    {
        using var folder = new TemporaryFolder();
        string text = File.ReadAllText(Case("bos-template", "tokenizer.json"));
        string twice = text.Insert(text.IndexOf('{', StringComparison.Ordinal) + 1, "\"version\": \"0\", ");
        File.WriteAllText(folder.File("tokenizer.json"), twice, new System.Text.UTF8Encoding(encoderShouldEmitUTF8Identifier: true));
        ITokenizer bare = ModelTokenizer.Load(folder.Path, template: false).Tokenizer;
        using var saved = new TemporaryFolder();
        bare.Save(saved.File("tokenizer.json"));
        Assert.Equal(["tokenizer.json"], Directory.GetFiles(saved.Path).Select(Path.GetFileName));
        ITokenizer read = ModelTokenizer.Load(saved.Path).Tokenizer;
        Assert.True(read.Template.IsEmpty);
        Assert.Equal(bare.Encode("hello world"), read.EncodeWithTemplate("hello world"));
    }

    [Fact]
    public void Ids_beyond_the_tokenizer_are_never_made()
    {
        using LanguageModel model = ModelFolder.Load(Case("padded-vocabulary"));
        ModelTokenizer tokens = ModelTokenizer.Load(Case("padded-vocabulary"));
        var options = new SamplingOptions { Temperature = 10 };
        int[] Make(Func<int, bool>? isToken) =>
            [.. TextGenerator.Generate(model, [65], 300, options, null, isToken, TestContext.Current.CancellationToken)];

        Assert.Contains(Make(null), id => id > 256);
        Assert.All(Make(tokens.Tokenizer.Contains), id => Assert.InRange(id, 0, 256));
    }

    private static string Case(params string[] names) => Path.Combine([Repository.Folder, "tests", "cases", "models", .. names]);
}
