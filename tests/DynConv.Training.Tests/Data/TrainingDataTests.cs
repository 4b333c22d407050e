using DynConv.Training.Data;

namespace DynConv.Training.Tests.Data;

public sealed class TrainingDataTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Of_many_documents_whole_ones_from_all_over_are_held_out()
    {
        WriteDocuments(400, i => 20 + (i * 7 % 60));
        using TrainingData data = Prepare(context: 32, limit: 100_000);
        AssertParts(data);
        string validation = Texts.Show(data.Validation);
        int total = (int)(data.Train.Tokens + data.Validation.Tokens);
        Assert.InRange(validation.Length, total / 10, total / 8);
        int[] numbers = [.. validation.TrimEnd('|').Split('|').Select(document => int.Parse(document.Split(':')[0]))];
        Assert.All(numbers, number => Assert.DoesNotContain($"|{number}:", Texts.Show(data.Train)));
        Assert.True(numbers.Min() < 100 && numbers.Max() > 300);
    }

    [Fact]
    public void Of_one_document_the_end_is_held_out()
    {
        _folder.Write("text/a.txt", new string('a', 900) + new string('b', 99));
        using TrainingData data = Prepare(context: 32);
        AssertParts(data);
        Assert.Equal(new string('a', 900), Texts.Show(data.Train));
        Assert.Equal(new string('b', 99) + "|", Texts.Show(data.Validation));
    }

    [Fact]
    public void At_least_one_context_and_at_most_the_limit_is_held_out()
    {
        _folder.Write("text/a.txt", new string('a', 999));
        using (TrainingData data = Prepare(context: 200))
        {
            Assert.Equal(201, data.Validation.Tokens);
        }

        using (TrainingData data = Prepare(context: 8, limit: 50))
        {
            Assert.Equal(50, data.Validation.Tokens);
        }

        using TrainingData half = Prepare(context: 499);
        Assert.Equal((500, 500), (half.Train.Tokens, half.Validation.Tokens));
        Assert.Equal(
            "The text is too short: it has 1000 tokens, and a context of 500 needs 501 to train on and as many held out for validation. Give more text, separate validation text or a smaller context.",
            Texts.MessageOf(() => Prepare(context: 500)));
        Assert.Equal(
            "The text is too short: it has 1000 tokens, and one context of 1000 needs 1001. Give more text or a smaller context.",
            Texts.MessageOf(() => Prepare(context: 1000)));
    }

    [Fact]
    public void Any_documents_are_parted_without_overlap()
    {
        var random = new Random(11);
        for (int round = 0; round < 30; round++)
        {
            WriteDocuments(1 + random.Next(40), _ => 1 + random.Next(round % 3 == 0 ? 500 : 30));
            using TokenDataset all = TokenCache.OpenOrEncode(_folder["cache"], TextSource.Find([_folder["text"]]), new FakeTokenizer());
            int context = 1 + random.Next((int)(all.Tokens / 2) - 1);
            (TokenDataset train, TokenDataset validation) = all.HoldOut(context, share: 0.05 + (0.5 * random.NextDouble()));
            using (train)
            using (validation)
            {
                TokenRange[] ranges = [.. train.Ranges.Concat(validation.Ranges).OrderBy(range => range.Start)];
                Assert.Equal(0, ranges[0].Start);
                Assert.Equal(all.Tokens, ranges[^1].End);
                Assert.All(ranges.Zip(ranges.Skip(1)), pair => Assert.Equal(pair.First.End, pair.Second.Start));
                Assert.True(train.Tokens > context && validation.Tokens > context);
                Assert.Equal(all.Bytes, train.Bytes + validation.Bytes);
                Assert.Equal(train.CountBytes(0, train.Tokens), train.Bytes);
            }
        }
    }

    [Fact]
    public void Empty_documents_do_not_blur_the_parts()
    {
        // Without a token between documents, those of white space alone have none at all.
        _folder.Write("text/x.jsonl", string.Join('\n', Enumerable.Range(0, 600).Select(i => $"{{\"text\":\"{(i % 3 == 0 ? "xxxxxxxxxxxxxxxxxxxx" : "s")}\"}}")));
        using TokenDataset all = TokenCache.OpenOrEncode(_folder["cache"], TextSource.Find([_folder["text"]]), new FakeTokenizer(endOfText: false, silent: (byte)'s'));
        Assert.Equal(200 * 20, all.Tokens);
        for (double share = 0.05; share < 0.6; share += 0.05)
        {
            (TokenDataset train, TokenDataset validation) = all.HoldOut(context: 8, share);
            using (train)
            using (validation)
            {
                TokenRange[] ranges = [.. train.Ranges.Concat(validation.Ranges).OrderBy(range => range.Start)];
                Assert.All(ranges.Zip(ranges.Skip(1)), pair => Assert.Equal(pair.First.End, pair.Second.Start));
                Assert.Equal(all.Tokens, train.Tokens + validation.Tokens);
            }
        }
    }

    [Fact]
    public void What_is_held_out_of_one_source_is_not_trained_on_in_another()
    {
        _folder.Write("text/a.txt", new string('a', 999));
        _folder.Write("text/in/b.txt", new string('b', 999));
        TrainingDataOptions options = Options(8, 100) with { Paths = [_folder["text"] + ":0.5", _folder["text/in"] + ":0.5"] };
        Assert.StartsWith(
            $"{_folder["text/in"]} is part of {_folder["text"]}, so that text held out of one would be trained on in the other; ",
            Texts.MessageOf(() => TrainingData.Prepare(options, new FakeTokenizer())));

        // With other text to validate on it is a way to see some of it more often.
        string valid = _folder.Write("valid.txt", new string('v', 99));
        TrainingData.Prepare(options with { ValidationPaths = [valid] }, new FakeTokenizer()).Dispose();
    }

    [Fact]
    public void Validation_text_of_its_own_is_never_trained_on()
    {
        _folder.Write("text/a.txt", "training text");
        string valid = _folder.Write("text/b.txt", "held-out text");
        using TrainingData data = TrainingData.Prepare(Options(8, 100) with { ValidationPaths = [valid] }, new FakeTokenizer());
        Assert.Equal("training text|", Texts.Show(data.Train));
        Assert.Equal("held-out text|", Texts.Show(data.Validation));
        Assert.StartsWith(
            "No text of ",
            Texts.MessageOf(() => TrainingData.Prepare(Options(8, 100) with { ValidationPaths = [_folder["text"]] }, new FakeTokenizer())));
    }

    [Fact]
    public void The_encoded_data_and_the_run_itself_are_not_data()
    {
        _folder.Write("text/a.txt", "text that is long enough");
        _folder.Write("text/run/metrics.jsonl", "{\"loss\":1}");
        TrainingDataOptions options = Options(4, 100) with { CacheFolder = _folder["text/cache"], Except = [_folder["text/run"]] };
        TrainingData.Prepare(options, new FakeTokenizer()).Dispose();
        using TrainingData data = TrainingData.Prepare(options, new FakeTokenizer());
        Assert.Equal(25, data.Train.Tokens + data.Validation.Tokens);
    }

    [Fact]
    public void The_fingerprint_follows_the_content_and_the_split()
    {
        WriteDocuments(50, _ => 30);
        using TrainingData first = Prepare(context: 8);
        using TrainingData other = Prepare(context: 8, limit: 60);
        Assert.Equal(4, new[] { first.Train, first.Validation, other.Train, other.Validation }.Select(d => d.Fingerprint).Distinct().Count());
        using TrainingData again = Prepare(context: 8);
        Assert.Equal(first.Train.Fingerprint, again.Train.Fingerprint);
    }

    [Fact]
    public void Parts_outlive_the_whole_and_refuse_to_be_read_once_disposed()
    {
        WriteDocuments(50, _ => 30);
        TrainingData data = Prepare(context: 8);
        data.Validation.Dispose();
        Assert.NotEmpty(Texts.AllTokens(data.Train));
        data.Dispose();
        Assert.Throws<ObjectDisposedException>(() => Texts.AllTokens(data.Train));
    }

    private void WriteDocuments(int count, Func<int, int> length) => _folder.Write(
        "text/x.jsonl", string.Join('\n', Enumerable.Range(0, count).Select(i => $"{{\"text\":\"{i}:{new string('x', length(i))}\"}}")));

    private TrainingData Prepare(int context, long limit = 1000) => TrainingData.Prepare(Options(context, limit), new FakeTokenizer());

    private TrainingDataOptions Options(int context, long limit) => new()
    {
        Paths = [_folder["text"]],
        CacheFolder = _folder["cache"],
        Context = context,
        MaxValidationTokens = limit,
    };

    private void AssertParts(TrainingData data)
    {
        using TokenDataset all = TokenDataset.Open(_folder["cache/train"], new FakeTokenizer());
        Assert.Equal(all.Tokens, data.Train.Tokens + data.Validation.Tokens);
        Assert.Equal(all.Bytes, data.Train.Bytes + data.Validation.Bytes);
        Assert.Equal(
            Texts.AllTokens(all).Order(), Texts.AllTokens(data.Train).Concat(Texts.AllTokens(data.Validation)).Order());
    }
}
