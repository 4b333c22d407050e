using System.Text;
using System.Text.Json.Nodes;
using DynConv.Models.Tokenizers;
using DynConv.Training.Data;

namespace DynConv.Training.Tests.Data;

public sealed class TokenCacheTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private string Cache => _folder["cache"];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Documents_are_encoded_in_order_each_with_its_end()
    {
        _folder.Write("text/a.txt", "first");
        _folder.Write("text/b.jsonl", "{\"text\":\"second\"}\n{\"text\":\"third\"}\n");
        using TokenDataset dataset = Encode(new FakeTokenizer());
        Assert.Equal("first|second|third|", Texts.Show(dataset));
        Assert.Equal(16, dataset.Bytes);
        Assert.Equal(16, dataset.CountBytes(0, dataset.Tokens));
        using TokenDataset bare = Encode(new FakeTokenizer(endOfText: false));
        Assert.Equal("firstsecondthird", Texts.Show(bare));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(65_279)]
    [InlineData(65_280)]
    [InlineData(1_000_000)]
    public void Ids_of_any_vocabulary_survive_across_shards(int shift)
    {
        var text = new byte[10_000];
        new Random(7).NextBytes(text);
        text.AsSpan().Replace((byte)0, (byte)'0');
        _folder.Write("text/a.jsonl", $"{{\"text\":\"{Convert.ToBase64String(text)}\"}}");
        var tokenizer = new FakeTokenizer(shift: shift);
        using TokenDataset dataset = Encode(tokenizer, new EncodingOptions { ShardTokens = 777 });
        var expected = new List<int>();
        tokenizer.Encode(Encoding.ASCII.GetBytes(Convert.ToBase64String(text)), expected);
        expected.Add(shift + FakeTokenizer.End);
        Assert.Equal(expected, Texts.AllTokens(dataset));
        var part = new int[2000];
        dataset.CopyTo(700, part);
        Assert.Equal(expected.GetRange(700, 2000), part);
        Assert.Equal(shift <= 65_279 ? 777 * 2 : 777 * 4, new FileInfo(Path.Combine(Cache, "tokens-00000.bin")).Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => dataset.CopyTo(dataset.Tokens - 1, part.AsSpan(0, 2)));
    }

    [Fact]
    public void The_number_of_threads_does_not_change_a_byte()
    {
        WriteManyTexts();
        string[] hashes = [.. new[] { 1, 2, 5 }.Select(threads =>
        {
            Directory.CreateDirectory(_folder["caches"]);
            string cache = _folder[$"caches/{threads}"];
            using TokenDataset dataset = TokenCache.OpenOrEncode(
                cache, Source(), new FakeTokenizer(), new EncodingOptions { Threads = threads, ShardTokens = 1_000_000 });
            return string.Join(' ', Directory.GetFiles(cache).Order().Select(file => Path.GetFileName(file) + Convert.ToHexString(
                System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(file)))));
        })];
        Assert.Equal(hashes[0], hashes[1]);
        Assert.Equal(hashes[0], hashes[2]);
        Assert.Contains("tokens-00003.bin", hashes[0]);
    }

    [Theory]
    [InlineData(PatternTokenizer.Gpt2)]
    [InlineData(PatternTokenizer.Llama3)]
    public void Cutting_a_large_file_into_pieces_does_not_change_its_ids(string pattern)
    {
        string[] lines = ["word\n", "A sentence, and its end.\n", "\n\n", "x = 1;\r\n", "    indented letters\n", "12345\n", "née\n", "  \n"];
        var random = new Random(3);
        string text = string.Concat(Enumerable.Range(0, 300_000).Select(_ => lines[random.Next(lines.Length)]));
        _folder.Write("text/a.txt", text);
        var tokenizer = new PatternTokenizer(pattern);
        using TokenDataset dataset = Encode(tokenizer);
        var whole = new List<int>();
        tokenizer.Encode(Encoding.UTF8.GetBytes(text), whole);
        Assert.True(text.Length > 2 * TextBatchReader.PieceBytes);
        Assert.Equal(whole, Texts.AllTokens(dataset));
    }

    [Theory]
    [InlineData("é")]
    [InlineData("€")]
    [InlineData("😀")]
    public void A_large_file_without_a_line_break_is_cut_between_characters(string character)
    {
        _folder.Write("text/a.txt", "x" + string.Concat(Enumerable.Repeat(character, 700_000)));
        foreach (TextBatch batch in new TextBatchReader(Source(), () => new TextBatch(), new FakeTokenizer()).Read())
        {
            batch.Encode(new FakeTokenizer(endOfText: false));
            Assert.DoesNotContain('\uFFFD', Encoding.UTF8.GetString([.. batch.Tokens.Select(token => (byte)token)]));
        }
    }

    [Fact]
    public void A_text_that_names_the_separator_has_several_documents()
    {
        _folder.Write("text/a.txt", "one<|endoftext|>two<|endoftext|>three");
        _folder.Write("text/b.txt", "four<|endoftext|>");
        _folder.Write("text/c.txt", "five");
        using TokenDataset dataset = Encode(new ByteTokenizer());
        Assert.Equal([4, 8, 14, 19], dataset.DocumentStarts(0, dataset.Tokens));
        Assert.Equal(5, Texts.AllTokens(dataset).Count(static token => token == 256));
    }

    [Fact]
    public void Spaces_in_front_are_put_in_once_however_long_the_text()
    {
        string line = "word and another word\n";
        string text = string.Concat(Enumerable.Repeat(line, 150_000));
        _folder.Write("text/a.txt", text);
        string file = _folder["saved.json"];
        new ByteTokenizer().Save(file);
        JsonNode json = JsonNode.Parse(File.ReadAllText(file))!;
        json["pre_tokenizer"] = JsonNode.Parse("""{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true}""");
        ITokenizer tokenizer = TokenizerLoader.Load(_folder.Write("tokenizer.json", json.ToJsonString()));
        using TokenDataset dataset = Encode(tokenizer);
        Assert.True(text.Length > 3 * TextBatchReader.PieceBytes);
        Assert.Equal(text.Length + 2, dataset.Tokens);
    }

    [Fact]
    public void Encoded_text_is_used_again_until_the_text_or_the_tokenizer_changes()
    {
        string path = _folder.Write("text/a.txt", "first text");
        var calls = new List<EncodingProgress>();
        var options = new EncodingOptions { Progress = new Recorder(calls) };
        Encode(new FakeTokenizer(), options).Dispose();
        Assert.Equal([new EncodingProgress(10, 10, 11)], calls);
        Encode(new FakeTokenizer(), options).Dispose();
        Assert.Single(calls);

        Encode(new FakeTokenizer(endOfText: false), options).Dispose();
        Assert.Equal(2, calls.Count);

        File.WriteAllText(path, "other text");
        File.SetLastWriteTimeUtc(path, DateTime.UtcNow.AddSeconds(10));
        using (TokenDataset changed = Encode(new FakeTokenizer(endOfText: false), options))
        {
            Assert.Equal("other text", Texts.Show(changed));
        }

        _folder.Write("text/b.txt", "more");
        using TokenDataset more = Encode(new FakeTokenizer(endOfText: false), options);
        Assert.Equal("other textmore", Texts.Show(more));
        Assert.Equal(4, calls.Count);
    }

    [Theory]
    [InlineData("tokens-00001.bin", true)]
    [InlineData("tokens-00001.bin", false)]
    [InlineData("documents.bin", true)]
    [InlineData("documents.bin", false)]
    [InlineData("manifest.json", true)]
    public void A_damaged_file_is_reported_and_made_anew(string name, bool truncate)
    {
        _folder.Write("text/a.txt", "some text that is long enough for two shards");
        var options = new EncodingOptions { ShardTokens = 30 };
        string whole;
        using (TokenDataset dataset = Encode(new FakeTokenizer(), options))
        {
            whole = Texts.Show(dataset);
        }

        Damage(Path.Combine(Cache, name), truncate);
        Assert.Contains(name, Texts.MessageOf(() => TokenDataset.Open(Cache, new FakeTokenizer())));
        using TokenDataset repaired = Encode(new FakeTokenizer(), options);
        Assert.Equal(whole, Texts.Show(repaired));
        using TokenDataset opened = TokenDataset.Open(Cache, new FakeTokenizer());
        Assert.Equal(repaired.Fingerprint, opened.Fingerprint);
    }

    [Fact]
    public void A_missing_shard_and_another_tokenizer_are_reported()
    {
        _folder.Write("text/a.txt", "some text");
        Encode(new FakeTokenizer()).Dispose();
        Assert.Contains("another tokenizer", Texts.MessageOf(() => TokenDataset.Open(Cache, new FakeTokenizer(endOfText: false))));
        File.Delete(Path.Combine(Cache, "tokens-00000.bin"));
        Assert.Contains("tokens-00000.bin cannot be read", Texts.MessageOf(() => TokenDataset.Open(Cache, new FakeTokenizer())));
    }

    [Fact]
    public void A_failure_leaves_nothing_behind()
    {
        _folder.Write("text/a.txt", new string('x', 3_000_000));
        _folder.Write("text/b.jsonl", "{\"text\":\"a\"}\nbroken\n");
        Assert.EndsWith("b.jsonl line 2 is not valid JSON.", Texts.MessageOf(() => Encode(new FakeTokenizer())));
        Assert.Equal(["text"], _folder.Names);
    }

    [Fact]
    public void Cancellation_leaves_the_old_data_and_nothing_else()
    {
        _folder.Write("text/a.txt", "old");
        Encode(new FakeTokenizer()).Dispose();
        WriteManyTexts();
        using var cancellation = new CancellationTokenSource();
        var options = new EncodingOptions { Progress = new Recorder(_ => cancellation.Cancel()), Cancellation = cancellation.Token };
        Assert.Throws<OperationCanceledException>(() => Encode(new FakeTokenizer(), options));
        using TokenDataset old = TokenDataset.Open(Cache, new FakeTokenizer());
        Assert.Equal("old|", Texts.Show(old));
        Assert.Equal(["cache", "text"], _folder.Names);
    }

    [Fact]
    public void A_folder_with_nothing_but_binary_files_is_refused()
    {
        _folder.Write("text/a.txt", [0, 1, 2]);
        Assert.StartsWith($"There is no text in {_folder["text"]}", Texts.MessageOf(() => Encode(new FakeTokenizer())));
        Assert.Equal(["text"], _folder.Names);
    }

    [Fact]
    public void An_id_outside_the_vocabulary_is_refused()
    {
        _folder.Write("text/a.txt", "x");
        Assert.Equal(
            "The tokenizer gave the id 120, but its vocabulary has 100.",
            Texts.MessageOf(() => Encode(new Narrowed(new FakeTokenizer()))));
    }

    [Fact]
    public void Real_books_are_encoded_byte_for_byte()
    {
        string data = Texts.SharedData();
        TextSource source = TextSource.Find([Path.Combine(data, "books.valid.txt.gz"), Path.Combine(data, "lambada_test.jsonl.gz")]);
        using TokenDataset dataset = TokenCache.OpenOrEncode(Cache, source, new FakeTokenizer());
        var books = new int[1_457_864];
        dataset.CopyTo(0, books);
        Assert.Equal(
            "73f1c5cbc09315dfcb8ed2492a3ba5b52771207cfc80d1101678d166614dbe89",
            Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData([.. books.Select(token => (byte)token)])));
        Assert.Equal(dataset.Tokens, dataset.Bytes + 1 + 5153);
    }

    private TextSource Source() => TextSource.Find([_folder["text"]]);

    private TokenDataset Encode(ITokenizer tokenizer, EncodingOptions? options = null) =>
        TokenCache.OpenOrEncode(Cache, Source(), tokenizer, options);

    private void WriteManyTexts()
    {
        var random = new Random(5);
        for (int file = 0; file < 200; file++)
        {
            _folder.Write($"text/{file}.txt", new string((char)('a' + (file % 26)), 1 + random.Next(40_000)));
        }
    }

    private static void Damage(string path, bool truncate)
    {
        byte[] bytes = File.ReadAllBytes(path);
        bytes[^3] ^= 1;
        File.WriteAllBytes(path, truncate ? bytes[..^4] : bytes);
    }

    private sealed class Recorder(Action<EncodingProgress> record) : IProgress<EncodingProgress>
    {
        public Recorder(List<EncodingProgress> calls)
            : this(calls.Add)
        {
        }

        public void Report(EncodingProgress value) => record(value);
    }

    private sealed class Narrowed(ITokenizer inner) : ITokenizer
    {
        public int VocabularySize => 100;

        public int? EndOfTextId => null;

        public ITokenizer WithEndOfText(int id) => throw new NotSupportedException();

        public void Encode(ReadOnlySpan<byte> text, ICollection<int> tokens) => inner.Encode(text, tokens);

        public byte[] Decode(ReadOnlySpan<int> tokens) => inner.Decode(tokens);

        public void Save(string path) => inner.Save(path);
    }
}
