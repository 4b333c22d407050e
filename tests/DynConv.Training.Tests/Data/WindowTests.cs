using DynConv.Training.Data;
using FsCheck;
using FsCheck.Fluent;

namespace DynConv.Training.Tests.Data;

/// <summary>Training samples and evaluation windows over text in which each id tells its position.</summary>
public sealed class WindowTests : IDisposable
{
    private const int Shift = 70_000;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void An_epoch_covers_each_of_its_windows_exactly_once()
    {
        using TokenDataset data = Numbered(4000);
        Prop.ForAll(
            Gen.Choose(1, 1999).ToArbitrary(), Gen.Choose(1, 64).ToArbitrary(), ArbMap.Default.ArbFor<ulong>(), (tokens, context, seed) =>
            {
                (TokenDataset train, TokenDataset validation) = data.HoldOut(context: 1, share: tokens / 4000.0, maxTokens: 4000);
                using (train)
                using (validation)
                {
                    context = Math.Min(context, (int)validation.Tokens - 1);
                    var sampler = new BatchSampler(validation, context, seed);
                    return Enumerable.Range(0, 3).All(epoch => CoversEpoch(sampler, epoch, validation.Tokens));
                }
            }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void Epochs_and_seeds_differ_and_the_same_sample_is_always_the_same()
    {
        using TokenDataset data = Numbered(5000);
        var sampler = new BatchSampler(data, 10, seed: 1);
        long[] Epoch(BatchSampler source, int epoch) =>
            [.. Enumerable.Range(0, (int)source.SamplesPerEpoch).Select(i => source.Position((epoch * source.SamplesPerEpoch) + i))];
        Assert.Equal(Epoch(sampler, 3), Epoch(new BatchSampler(data, 10, seed: 1), 3));
        Assert.NotEqual(Epoch(sampler, 0), Epoch(sampler, 1));
        Assert.NotEqual(Epoch(sampler, 0), Epoch(new BatchSampler(data, 10, seed: 2), 0));
        Assert.Equal(10, Enumerable.Range(0, 200).Select(epoch => sampler.Position(epoch * sampler.SamplesPerEpoch) % 10).Distinct().Count());
    }

    [Fact]
    public void Targets_are_the_inputs_one_later()
    {
        using TokenDataset data = Numbered(300);
        var sampler = new BatchSampler(data, 16, seed: 4);
        var inputs = new int[16];
        var targets = new int[16];
        for (int sample = 0; sample < 100; sample++)
        {
            sampler.Fill(sample, inputs, targets);
            int first = (int)sampler.Position(sample);
            Assert.Equal(Enumerable.Range(first, 16).Select(Id), inputs);
            Assert.Equal(Enumerable.Range(first + 1, 16).Select(Id), targets);
        }
    }

    [Fact]
    public void Micro_batches_of_any_size_draw_the_same_samples()
    {
        using TokenDataset data = Numbered(1000);
        var sampler = new BatchSampler(data, 8, seed: 4);
        int[] Draw(int batch)
        {
            var inputs = new List<int>();
            var targets = new List<int>();
            for (int first = 0; first < 24; first += batch)
            {
                var x = new int[batch * 8];
                var y = new int[batch * 8];
                sampler.FillBatch(first, x, y);
                inputs.AddRange(x);
                targets.AddRange(y);
            }

            return [.. inputs, .. targets];
        }

        Assert.Equal(Draw(24), Draw(1));
        Assert.Equal(Draw(24), Draw(6));
        Assert.Throws<ArgumentException>(() => sampler.FillBatch(0, new int[9], new int[9]));
    }

    [Fact]
    public void Evaluation_makes_every_token_but_the_first_a_target_once()
    {
        foreach (int tokens in (int[])[9, 16, 17, 18, 100])
        {
            using TokenDataset data = Numbered(tokens);
            var windows = new EvaluationWindows(data, 8);
            var seen = new List<int>();
            var inputs = new int[8];
            var targets = new int[8];
            for (long window = 0; window < windows.Count; window++)
            {
                windows.Fill(window, inputs, targets);
                int counted = (int)windows.TargetTokens(window, 1);
                Assert.All(targets[counted..], target => Assert.Equal(EvaluationWindows.IgnoredTarget, target));
                Assert.All(inputs[counted..], input => Assert.Equal(0, input));
                Assert.Equal(inputs[1..counted], targets[..(counted - 1)]);
                seen.AddRange(targets[..counted]);
            }

            Assert.Equal(Enumerable.Range(1, tokens - 1).Select(Id), seen);
            Assert.Equal(tokens - 1, windows.TargetTokens(0, windows.Count));
        }
    }

    [Fact]
    public void Bytes_of_targets_leave_out_the_first_token_and_the_ends_of_documents()
    {
        _folder.Write("t/x.jsonl", "{\"text\":\"abc\"}\n{\"text\":\"defgh\"}");
        using TokenDataset data = TokenCache.OpenOrEncode(_folder["c"], TextSource.Find([_folder["t"]]), new FakeTokenizer());
        var windows = new EvaluationWindows(data, 4);
        Assert.Equal("abc|defgh|", Texts.Show(data));
        Assert.Equal(7, windows.TargetBytes(0, windows.Count));
        Assert.Equal([3L, 4L, 0L], Enumerable.Range(0, 3).Select(window => windows.TargetBytes(window, 1)));
    }

    [Fact]
    public void Text_shorter_than_one_context_is_refused_with_the_numbers()
    {
        using TokenDataset data = Numbered(8);
        const string Expected =
            "The text is too short: it has 8 tokens, and one context of 8 needs 9. Give more text or a smaller context.";
        Assert.Equal(Expected, Texts.MessageOf(() => _ = new BatchSampler(data, 8, 0)));
        Assert.Equal(Expected, Texts.MessageOf(() => _ = new EvaluationWindows(data, 8)));
        Assert.Equal(1, new BatchSampler(data, 7, 0).SamplesPerEpoch);
    }

    private static bool CoversEpoch(BatchSampler sampler, int epoch, long tokens)
    {
        long samples = sampler.SamplesPerEpoch;
        long[] starts = [.. Enumerable.Range(0, (int)samples).Select(i => sampler.Position((epoch * samples) + i)).Order()];
        bool adjoining = starts.Index().All(start => start.Item == starts[0] + (start.Index * sampler.Context));
        long last = starts[^1] + sampler.Context;
        bool fits = starts[0] >= 0 && last + 1 <= tokens;
        return adjoining && fits && tokens - 1 - (samples * sampler.Context) < 2L * sampler.Context;
    }

    private static int Id(int position) => Shift + position;

    private TokenDataset Numbered(int tokens)
    {
        string name = $"numbered-{tokens}";
        _folder.Write($"{name}/x.txt", new string('x', tokens));
        return TokenCache.OpenOrEncode(_folder[$"{name}-cache"], TextSource.Find([_folder[name]]), new CountingTokenizer(Shift));
    }
}
