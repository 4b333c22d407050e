using System.IO.Compression;
using System.Text;
using System.Text.Json;
using DynConv.Models.Tokenizers;

namespace DynConv.Models.Tests.Tokenizers;

public sealed class Gpt2TokenizerTests
{
    private static ITokenizer Gpt2 { get => field ??= TokenizerLoader.Load(SharedData.Path("gpt2-tokenizer")); }

    [Theory]
    [InlineData("Hello world", 15496, 995)]
    [InlineData("Hello, world!", 15496, 11, 995, 0)]
    [InlineData("The quick brown fox jumps over the lazy dog", 464, 2068, 7586, 21831, 18045, 625, 262, 16931, 3290)]
    [InlineData("I'm", 40, 1101)]
    [InlineData("a<|endoftext|>", 64, 50256)]
    public void Known_texts_have_their_known_ids(string text, params int[] expected) =>
        Assert.Equal(expected, Gpt2.Encode(text));

    [Fact]
    public void The_last_id_of_the_vocabulary_ends_text()
    {
        Assert.Equal(50257, Gpt2.VocabularySize);
        Assert.Equal(50256, Gpt2.EndOfTextId);
    }

    [Fact]
    public void An_independent_tokenizer_gives_the_same_ids()
    {
        Microsoft.ML.Tokenizers.BpeTokenizer peer = MakePeer();
        var random = new Random(6);
        string[] texts =
        [
            .. Enumerable.Range(0, 2000).Select(_ => RandomText.Make(random, 20)),
            .. Lines("tinyshakespeare.txt.gz", 2000),
            .. Lines("wikitext-2.valid.txt.gz", 500),
        ];
        Assert.All(texts, text => Assert.Equal(peer.EncodeToIds(text), Gpt2.Encode(text, SpecialTokens.Spell)));
    }

    [Fact]
    public void Saved_as_tokenizer_json_it_encodes_as_before()
    {
        using var folder = new TemporaryFolder();
        Gpt2.Save(folder.File("tokenizer.json"));
        ITokenizer loaded = TokenizerLoader.Load(folder.Path);
        Assert.Equal(Gpt2.VocabularySize, loaded.VocabularySize);
        Assert.Equal(Gpt2.EndOfTextId, loaded.EndOfTextId);
        Assert.All(Lines("tinyshakespeare.txt.gz", 500), text => Assert.Equal(Gpt2.Encode(text), loaded.Encode(text)));
    }

    private static Microsoft.ML.Tokenizers.BpeTokenizer MakePeer()
    {
        using Stream vocabulary = Open("gpt2-tokenizer", "encoder.json.gz");
        using var merges = new StreamReader(Open("gpt2-tokenizer", "vocab.bpe.gz"));
        return Peer.Of(
            JsonSerializer.Deserialize<Dictionary<string, int>>(vocabulary)!,
            merges.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries)[1..],
            PretokenizerRegex.Gpt2);
    }

    private static IEnumerable<string> Lines(string file, int count)
    {
        using var reader = new StreamReader(Open(file), Encoding.UTF8);
        for (int i = 0; i < count && reader.ReadLine() is string line; i++)
        {
            yield return line + "\n";
        }
    }

    private static GZipStream Open(params string[] names) =>
        new(File.OpenRead(SharedData.Path(names)), CompressionMode.Decompress);
}
