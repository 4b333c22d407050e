using DynConv.Training.Data;
using DynConv.Training.Runs;
using DynConv.Training.Tests.Runs;

namespace DynConv.Training.Tests.Data;

public sealed class MixtureTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(10, 0.7, 0.3)]
    [InlineData(20, 0.5, 0.25, 0.25)]
    [InlineData(10_000, 0.12345, 0.87655)]
    [InlineData(10_001, 0.99999, 0.00001)]
    public void Every_block_of_samples_has_the_shares_and_every_source_is_gone_through_in_order(int block, params double[] shares)
    {
        var schedule = new MixtureSchedule(shares, seed: 3);
        var next = new Dictionary<int, HashSet<long>>();
        for (int b = 0; b < 3; b++)
        {
            var drawn = Enumerable.Range(b * block, block).Select(sample => schedule[sample]).ToLookup(one => one.Source, one => one.Number);
            foreach ((int source, double share) in shares.Index())
            {
                int count = Math.Max(1, (int)Math.Round(share * block));
                Assert.InRange(drawn[source].Count(), count - 1, count);
                next.TryAdd(source, []);
                Assert.All(drawn[source], number => Assert.True(next[source].Add(number)));
            }
        }

        // No number of a source is left out: each has been drawn as often as every other.
        Assert.All(next.Values, static numbers => Assert.Equal(Enumerable.Range(0, numbers.Count).Select(static i => (long)i), numbers.Order()));
    }

    [Fact]
    public void The_order_depends_on_the_seed_and_on_the_number_alone()
    {
        int[] Sources(ulong seed) => [.. Enumerable.Range(0, 200).Select(sample => new MixtureSchedule([0.5, 0.5], seed)[sample].Source)];
        Assert.Equal(Sources(1), Sources(1));
        Assert.NotEqual(Sources(1), Sources(2));
        Assert.NotEqual(Sources(1)[..100], Sources(1)[100..]);
    }

    [Fact]
    public void Samples_come_from_all_sources_in_proportion_and_each_source_has_its_own_epochs()
    {
        _folder.Write("a/x.txt", new string('a', 2000));
        _folder.Write("b/x.txt", new string('b', 400));
        using TrainingData data = Prepare([$"{_folder["a"]}:3", $"{_folder["b"]}:1"]);
        Assert.Equal([0.75, 0.25], data.Sources.Select(static source => source.Share));
        Assert.Equal(data.Train.Tokens, data.Sources.Sum(static source => source.Train.Tokens));
        var sampler = new BatchSampler(data.Sources, context: 8, seed: 1);
        TokenWindow[] windows = [.. Enumerable.Range(0, 800).Select(sample => sampler.Window(sample))];
        Assert.Equal(600, windows.Count(window => window.Data == data.Sources[0].Train));
        foreach (TrainingSource source in data.Sources)
        {
            long[] positions = [.. windows.Where(window => window.Data == source.Train).Select(static window => window.Position)];
            var alone = new BatchSampler(source.Train, context: 8, seed: 1);
            Assert.Equal(Enumerable.Range(0, positions.Length).Select(sample => alone.Position(sample)).Order(), positions.Order());
        }

        var ids = new int[8];
        var targets = new int[8];
        sampler.Fill(5, ids, targets);
        Assert.Contains(ids[0], new[] { 'a', 'b', FakeTokenizer.End });
    }

    [Fact]
    public void What_is_held_out_has_the_shares_of_the_mixture()
    {
        _folder.Write("a/x.txt", new string('a', 100_000));
        _folder.Write("b/x.txt", new string('b', 10_000));
        using TrainingData data = Prepare([$"{_folder["a"]}:0.5", $"{_folder["b"]}:0.5"]);
        Assert.All(data.Sources, static source => Assert.InRange(source.Validation!.Tokens, 950, 1010));
        Assert.Equal(data.Sources.Sum(static source => source.Validation!.Tokens), data.Validation.Tokens);
        Assert.Equal(data.Sources.SelectMany(static source => Texts.AllTokens(source.Validation!)), Texts.AllTokens(data.Validation));
        Assert.Equal(data.Sources.Sum(static source => source.Validation!.Bytes), data.Validation.Bytes);
        Assert.Equal([data.Sources[0].Validation!.Tokens], data.Validation.DocumentStarts(0, data.Sources[0].Validation!.Tokens + 2));
    }

    [Fact]
    public void Text_of_one_weight_or_none_is_sampled_as_ever()
    {
        _folder.Write("a/x.txt", string.Concat(Enumerable.Range(0, 500)));
        using TrainingData data = Prepare([_folder["a"]]);
        using TrainingData weighted = Prepare([_folder["a"] + ":0.3"]);
        var sampler = new BatchSampler(data.Train, 8, seed: 5);
        Assert.Equal(data.Train.Fingerprint, weighted.Train.Fingerprint);
        foreach (TrainingData one in (TrainingData[])[data, weighted])
        {
            var other = new BatchSampler(one.Sources, 8, seed: 5);
            Assert.Equal(Enumerable.Range(0, 500).Select(i => sampler.Position(i)), Enumerable.Range(0, 500).Select(i => other.Position(i)));
        }
    }

    [Fact]
    public void A_colon_in_a_name_is_no_weight_where_the_name_is_there()
    {
        string odd = _folder.Write("a:0.5/x.txt", "x");
        string folder = Path.GetDirectoryName(odd)!;
        Assert.Equal([new WeightedPath(folder, null)], WeightedPath.ParseAll([folder]));
        Assert.Equal([new WeightedPath(folder, 2), new WeightedPath("b:c", 0.5)], WeightedPath.ParseAll([folder + ":2", "b:c:.5"]));
        Assert.Equal([new WeightedPath("C:\\books", null)], WeightedPath.ParseAll(["C:\\books"]));
        Assert.Equal("The weight of a is 0; it has to be greater than 0.", Texts.MessageOf(() => WeightedPath.ParseAll(["a:0"])));
        Assert.Equal(
            "a has a weight and b has none; give a weight to each, as in b:0.5, or to none.", Texts.MessageOf(() => WeightedPath.ParseAll(["a:1", "b"])));
    }

    [Fact]
    public void A_run_of_a_mixture_goes_on_as_if_it_had_not_been_stopped()
    {
        using var run = new TinyRun();
        File.WriteAllText(run["other.txt"], TinyRun.Words(3000).Replace('e', 'o'));
        run.Configuration = run.Configuration with { Data = [$"{run.Text}:0.7", $"{run["other.txt"]}:0.3"] };
        var recorder = new Recorder();
        TrainingResult whole = run.Start("whole", recorder);
        Assert.Equal([run.Text, run["other.txt"]], whole.SourceValidation.Select(static one => one.Source));
        Assert.All(whole.SourceValidation, static one => Assert.True(one.Result.Loss > 0));
        Assert.Equal([0.7, 0.3], recorder.Begun!.Sources.Select(static source => Math.Round(source.Share, 9)));
        Assert.All(recorder.Begun.Sources, static source => Assert.Equal(640 * source.Share / source.Tokens, source.Epochs, 9));

        run.Start(recorder: new Recorder { StopAfter = 5 });
        run.Resume();
        run.AssertSameOutcome("whole", "run");
    }

    private TrainingData Prepare(string[] paths) => TrainingData.Prepare(
        new TrainingDataOptions { Paths = paths, CacheFolder = _folder["cache"], Context = 8 }, new FakeTokenizer());
}
