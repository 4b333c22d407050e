using System.Text;
using System.Text.RegularExpressions;
using DynConv.Models.Tokenizers;

namespace DynConv.Models.Tests.Tokenizers;

public sealed class TokenizerTrainerTests
{
    [Fact]
    public void The_most_frequent_pair_merges_first_and_ties_go_to_the_lower_ids()
    {
        // After "ab", which is there 3 times, " d", "de" and " ab" are there twice. A space has the lowest id of what
        // they start with, and d a lower id than ab.
        BpeTokenizer tokenizer = Trained.On([Utf8("ab de de ab ab")], 300);
        Assert.Equal([256], tokenizer.Encode("ab"));
        Assert.Equal(["ab", " d", " ab", " de"], LearnedTokens(tokenizer).Select(Encoding.UTF8.GetString));
    }

    [Fact]
    public void Text_that_runs_out_of_pairs_ends_the_vocabulary_early()
    {
        BpeTokenizer tokenizer = Trained.On([Utf8("abab"), Utf8("xy")], 1000);
        Assert.Equal(258, tokenizer.VocabularySize);
        Assert.Equal(257, tokenizer.EndOfTextId);
        Assert.Equal(257, Trained.On([], 1000).VocabularySize);
    }

    [Theory]
    [InlineData(PretokenizerPattern.Gpt2, PretokenizerRegex.Gpt2)]
    [InlineData(PretokenizerPattern.Llama3, PretokenizerRegex.Llama3)]
    public void Merges_are_those_of_counting_anew_after_each(PretokenizerPattern pattern, string regex)
    {
        for (int seed = 0; seed < 10; seed++)
        {
            string text = RandomText.Make(new Random(seed), 400) + "aaaaaaa aaa ababa aaaaaaa aaa ababa aaaa";
            BpeTokenizer tokenizer = Trained.On([Utf8(text)], 340, new TokenizerTrainerOptions { Pattern = pattern });
            Assert.Equal(NaiveTokens(text, regex, 340), LearnedTokens(tokenizer));
        }
    }

    [Fact]
    public void The_number_of_threads_and_the_cutting_of_a_document_change_nothing()
    {
        var random = new Random(8);
        byte[] large =
        [
            .. Enumerable.Range(0, 40_000).SelectMany(_ => (byte[])[.. RandomText.MakeBytes(random, 8), .. " the word is "u8]),
        ];
        byte[][] documents = [large, RandomText.MakeBytes(random, 500), [], Utf8("the end")];
        byte[][] tokens = LearnedTokens(Trained.On(documents, 500, new TokenizerTrainerOptions { Threads = 1 }));
        Assert.Equal(243, tokens.Length);
        Assert.True(PieceCounter.Portions(large).Count() > 1);
        Assert.Equal(tokens, LearnedTokens(Trained.On(documents, 500, new TokenizerTrainerOptions { Threads = 5 })));
        Assert.Equal(tokens, LearnedTokens(Trained.On([.. documents.Reverse()], 500)));
    }

    [Theory]
    [InlineData(PretokenizerPattern.Gpt2)]
    [InlineData(PretokenizerPattern.Llama3)]
    public void A_document_is_cut_only_where_pieces_end(PretokenizerPattern pattern)
    {
        var random = new Random(9);
        byte[] document = [.. Enumerable.Range(0, 50_000).SelectMany(_ => RandomText.MakeBytes(random, 10))];
        PieceScanner scanner = PieceScanner.For(pattern);
        HashSet<int> ends = [];
        for (int start = 0; start < document.Length;)
        {
            ends.Add(start = scanner.PieceEnd(document, start));
        }

        int end = 0;
        ReadOnlyMemory<byte>[] portions = [.. PieceCounter.Portions(document)];
        Assert.True(portions.Length > 1);
        Assert.All(portions, portion => Assert.Contains(end += portion.Length, ends));
        Assert.Equal(document.Length, end);
    }

    [Fact]
    public void Text_without_ASCII_letters_is_cut_too()
    {
        byte[] document = Utf8(string.Concat(Enumerable.Repeat("слово ", 200_000)));
        Assert.InRange(PieceCounter.Portions(document).Count(), 4, 5);
    }

    [Theory]
    [InlineData(PretokenizerPattern.Gpt2, PretokenizerRegex.Gpt2)]
    [InlineData(PretokenizerPattern.Llama3, PretokenizerRegex.Llama3)]
    public void A_trained_tokenizer_encodes_alike_from_its_file_and_in_an_independent_one(
        PretokenizerPattern pattern, string regex)
    {
        var random = new Random(10);
        BpeTokenizer tokenizer = Trained.On(
            [Utf8(RandomText.Make(random, 5000))], 500, new TokenizerTrainerOptions { Pattern = pattern });
        using var folder = new TemporaryFolder();
        tokenizer.Save(folder.File("tokenizer.json"));
        ITokenizer loaded = TokenizerLoader.Load(folder.Path);
        Microsoft.ML.Tokenizers.BpeTokenizer peer = Peer.Of(folder.File("tokenizer.json"), regex);
        Assert.Equal(500, loaded.VocabularySize);
        Assert.Equal(499, loaded.EndOfTextId);
        Assert.All(Enumerable.Range(0, 500).Select(_ => RandomText.Make(random, 20)), text =>
        {
            Assert.Equal(peer.EncodeToIds(text), tokenizer.Encode(text, SpecialTokens.Spell));
            Assert.Equal(peer.EncodeToIds(text), loaded.Encode(text, SpecialTokens.Spell));
        });
    }

    [Fact]
    public void Progress_goes_up_to_the_end()
    {
        var reports = new Reports();
        byte[] text = RandomText.MakeBytes(new Random(11), 3000);
        Trained.On([text, text], 400, progress: reports);
        Assert.Equal(new TokenizerTrainingProgress(2 * text.Length, 400, 400), reports[^1]);
        Assert.Equal(reports.OrderBy(report => report.BytesRead).ThenBy(report => report.Tokens), reports);
    }

    [Fact]
    public void Training_can_be_cancelled()
    {
        using var source = new CancellationTokenSource();
        IEnumerable<ReadOnlyMemory<byte>> Endless()
        {
            for (int i = 0; ; i++)
            {
                if (i == 10)
                {
                    source.Cancel();
                }

                yield return "more and more"u8.ToArray();
            }
        }

        Assert.ThrowsAny<OperationCanceledException>(
            () => TokenizerTrainer.Train(Endless(), 300, cancellationToken: source.Token));
    }

    [Fact]
    public void A_document_that_cannot_be_read_fails_the_training_as_it_is()
    {
        static IEnumerable<byte[]> Failing()
        {
            yield return [1];
            throw new DynConvException("no such file");
        }

        Assert.Equal("no such file", Assert.Throws<DynConvException>(() => Trained.On(Failing(), 300)).Message);
    }

    [Theory]
    [InlineData(256, PretokenizerPattern.Gpt2, 1, "A vocabulary of 256 is too small: the 256 bytes and <|endoftext|> need 257.")]
    [InlineData(300, PretokenizerPattern.None, 1, "A tokenizer cannot be trained with the pattern None; use Gpt2 or Llama3.")]
    [InlineData(300, PretokenizerPattern.Gpt2, 0, "Threads and the minimum count of a pair must be at least 1.")]
    public void Options_out_of_range_are_refused(int size, PretokenizerPattern pattern, int threads, string message)
    {
        var options = new TokenizerTrainerOptions { Pattern = pattern, Threads = threads };
        Assert.Equal(message, Assert.Throws<DynConvException>(() => Trained.On([], size, options)).Message);
    }

    private static byte[] Utf8(string text) => Encoding.UTF8.GetBytes(text);

    private static byte[][] LearnedTokens(BpeTokenizer tokenizer) =>
        [.. Enumerable.Range(256, tokenizer.VocabularySize - 257).Select(id => tokenizer.Decode([id]))];

    /// <summary>Byte-pair encoding as its definition reads: count all pairs, merge one, and again.</summary>
    private static List<byte[]> NaiveTokens(string text, string regex, int vocabularySize)
    {
        List<byte[]> tokens = [.. Enumerable.Range(0, 256).Select(value => new[] { (byte)value })];
        int[][] pieces = [.. Regex.Matches(text, regex).Select(match => Array.ConvertAll(Utf8(match.Value), value => (int)value))];
        HashSet<(int, int)> passedOver = [];
        while (tokens.Count + 1 < vocabularySize)
        {
            (int Left, int Right)? best = pieces.SelectMany(piece => piece.Zip(piece.Skip(1)))
                .Where(pair => !passedOver.Contains(pair))
                .GroupBy(pair => pair)
                .Where(group => group.Count() >= 2)
                .OrderByDescending(group => group.Count()).ThenBy(group => group.Key)
                .Select(group => ((int, int)?)group.Key)
                .FirstOrDefault();
            if (best is not (int left, int right))
            {
                break;
            }

            byte[] spelling = [.. tokens[left], .. tokens[right]];
            if (tokens.Any(token => token.AsSpan().SequenceEqual(spelling)))
            {
                passedOver.Add((left, right));
                continue;
            }

            pieces = [.. pieces.Select(piece => Replace(piece, left, right, tokens.Count))];
            tokens.Add(spelling);
        }

        return tokens[256..];
    }

    private static int[] Replace(int[] piece, int left, int right, int merged)
    {
        List<int> replaced = [];
        for (int i = 0; i < piece.Length; i++)
        {
            bool match = piece[i] == left && i + 1 < piece.Length && piece[i + 1] == right;
            replaced.Add(match ? merged : piece[i]);
            i += match ? 1 : 0;
        }

        return [.. replaced];
    }

    private sealed class Reports : List<TokenizerTrainingProgress>, IProgress<TokenizerTrainingProgress>
    {
        public void Report(TokenizerTrainingProgress value) => Add(value);
    }
}
