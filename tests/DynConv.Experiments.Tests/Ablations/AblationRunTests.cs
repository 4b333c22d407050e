using System.Text.Json.Nodes;
using DynConv.Experiments.Ablations;
using DynConv.Training.Evaluation;
using DynConv.Training.Runs;
using DynConv.Training.Tests.Runs;

namespace DynConv.Experiments.Tests.Ablations;

public sealed class AblationRunTests : IDisposable
{
    private readonly TinyRun _tiny = new();

    private string Folder => _tiny["grid"];

    public void Dispose() => _tiny.Dispose();

    [Fact]
    public void Every_run_is_an_ordinary_one_and_the_table_is_made_of_them()
    {
        AblationTable table = new AblationRun(Grid(), Folder).Run(new Watcher());
        Assert.Equal(["none", "low-rank"], table.Rows.Select(row => row.Name));
        AblationTableRow none = table.Rows[0];
        AblationTableRow lowRank = table.Rows[1];
        Assert.Equal([1UL, 2UL], lowRank.Seeds.Select(seed => seed.Seed));
        Assert.Equal(10 * 4 * 16, none.Tokens);
        Assert.True(lowRank.Parameters > none.Parameters);

        // The very run, by itself.
        _tiny.Configuration = Grid().Rows[1].Configuration with { Seed = 2 };
        TrainingResult alone = _tiny.Start("alone");
        Assert.Equal(alone.Validation!.Loss, lowRank.Seeds[1].Loss);
        Assert.Equal(_tiny.Bytes("alone", "model.safetensors"), _tiny.Bytes("grid", "low-rank-seed2", "model.safetensors"));
        Assert.False(Directory.Exists(Path.Combine(Folder, "low-rank-seed2", "data")));

        double[] differences = [.. lowRank.Seeds.Zip(none.Seeds, (a, b) => a.Loss!.Value - b.Loss!.Value)];
        Assert.Equal(differences.Average(), lowRank.Difference!.Mean, 12);
        Assert.Equal((differences.Min(), differences.Max()), (lowRank.Difference.Min, lowRank.Difference.Max));
        Assert.Equal(new Spread(0, 0, 0), none.Difference);
        Assert.Equal(Math.Exp(none.Seeds[0].Loss!.Value), none.Seeds[0].Perplexity);
    }

    [Fact]
    public void The_file_has_the_agreed_shape()
    {
        new AblationRun(Grid(), Folder).Run(new Watcher());
        JsonObject file = JsonNode.Parse(File.ReadAllText(Path.Combine(Folder, "ablation.json")))!.AsObject();
        Assert.Equal(["name", "baseline", "rows"], file.Select(pair => pair.Key));
        JsonObject row = file["rows"]![1]!.AsObject();
        Assert.Equal(["name", "settings", "parameters", "tokens", "seeds", "loss", "perplexity", "difference"], row.Select(pair => pair.Key));
        Assert.Equal(["seed", "run", "loss", "perplexity", "tokens_per_second"], row["seeds"]![0]!.AsObject().Select(pair => pair.Key));
        Assert.Equal(["mean", "min", "max"], row["difference"]!.AsObject().Select(pair => pair.Key));
        Assert.True(Directory.Exists(Path.Combine(Folder, (string)row["seeds"]![0]!["run"]!)));
    }

    [Fact]
    public void What_was_stopped_goes_on_and_what_is_finished_is_not_run_again()
    {
        var stopped = new Watcher { StopInRun = 2, StopAfterStep = 7 };
        AblationTable table = new AblationRun(Grid(), Folder).Run(stopped, stopped.Stop);
        Assert.Equal("not finished: step 7 of 10", table.Rows[1].Seeds[0].Error);
        Assert.Equal("not run yet", table.Rows[0].Seeds[1].Error);
        Assert.NotNull(table.Rows[0].Loss);
        Assert.Null(table.Rows[1].Loss);

        var second = new Watcher();
        AblationTable whole = new AblationRun(Grid(), Folder).Run(second);
        Assert.Equal(["low-rank, seed 1", "none, seed 2", "low-rank, seed 2"], second.Runs);
        Assert.Equal(8, second.FirstStep);

        var third = new Watcher();
        Assert.Equal(whole.ToJson(), new AblationRun(Grid(), Folder).Run(third).ToJson());
        Assert.Empty(third.Runs);

        AblationTable undisturbed = new AblationRun(Grid(), _tiny["other"]).Run(new Watcher());
        Assert.Equal(undisturbed.Rows[1].Loss, whole.Rows[1].Loss);
    }

    [Fact]
    public void A_run_that_fails_is_reported_and_the_others_go_on()
    {
        AblationGrid grid = Grid();
        AblationRow wild = grid.Rows[0] with { Name = "wild", Configuration = grid.Rows[0].Configuration with { LearningRate = 10, ClipNorm = 0, WeightDecay = 10 } };
        Directory.CreateDirectory(Path.Combine(Folder, grid.Rows[1].FolderName(1)));
        File.WriteAllText(Path.Combine(Folder, grid.Rows[1].FolderName(1), "notes.txt"), "not a run");
        AblationTable table = new AblationRun(grid with { Rows = [wild, .. grid.Rows] }, Folder).Run(new Watcher());
        Assert.Contains("holds other files", table.Rows[2].Seeds[0].Error, StringComparison.Ordinal);
        Assert.NotNull(table.Rows[2].Seeds[1].Loss);
        Assert.NotNull(table.Rows[1].Loss);
        Assert.Equal(table.Rows[2].Seeds[1].Loss - table.Rows[1].Seeds[1].Loss, table.Rows[2].Difference!.Mean);
    }

    [Fact]
    public void A_run_that_was_started_with_other_settings_is_noticed_before_anything_runs()
    {
        new AblationRun(Grid(), Folder).Run(new Watcher());
        string message = Assert.Throws<DynConvException>(() => new AblationRun(Grid().With(c => c with { LearningRate = 0.02 }), Folder)).Message;
        Assert.Contains("none-seed1 was started with 'learning_rate: 0.01' where the grid now says 'learning_rate: 0.02'", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Text_that_is_not_there_is_noticed_before_anything_runs()
    {
        string message = Assert.Throws<DynConvException>(
            () => new AblationRun(Grid().With(c => c with { Data = ["nowhere.txt"] }), Folder).Run(new Watcher())).Message;
        Assert.Equal("There is no file or folder nowhere.txt to train or validate on.", message);
        Assert.Throws<DynConvException>(() => new AblationRun(Grid().With(c => c with { Data = [] }), Folder).Run(new Watcher()));
        Assert.False(Directory.Exists(Folder));
    }

    [Fact]
    public void The_time_left_falls_to_nothing()
    {
        var watcher = new Watcher();
        new AblationRun(Grid(), Folder).Run(watcher);
        Assert.All(watcher.Left, left => Assert.True(left >= 0 && double.IsFinite(left)));
        Assert.Equal(0, watcher.Left[^1]);
        Assert.True(watcher.Left[0] > 0);
    }

    private AblationGrid Grid()
    {
        AblationGrid grid = AblationFile.Parse("""
            baseline: none
            seeds: [1, 2]
            rows:
              none: { conv: none }
              low-rank: { rank: 4 }
            """, "tiny");
        return grid.With(row => _tiny.Configuration with { Conv = row.Conv, Rank = row.Rank, Seed = 0 });
    }

    private sealed class Watcher : IAblationObserver
    {
        private readonly CancellationTokenSource _stop =
            CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);

        public int StopInRun { get; init; }

        public long StopAfterStep { get; init; }

        public CancellationToken Stop => _stop.Token;

        public List<string> Runs { get; } = [];

        public List<double> Left { get; } = [];

        public long? FirstStep { get; private set; }

        public void OnRun(AblationCell cell, int number, int runs) => Runs.Add(cell.Name);

        public void OnStep(StepMetrics step)
        {
            if (Runs.Count == StopInRun && step.Step == StopAfterStep)
            {
                _stop.Cancel();
            }
        }

        public void OnStart(RunStart start) => FirstStep ??= start.FirstStep;

        public void OnGridProgress(double secondsLeft) => Left.Add(secondsLeft);

        public void OnRunEnd(AblationCell cell, AblationSeed result)
        {
        }

        public void OnEncoding(long bytes, long totalBytes)
        {
        }

        public void OnPreparing()
        {
        }

        public void OnPrepared(int kernels, double seconds)
        {
        }

        public void OnValidation(long step, EvaluationResult result)
        {
        }

        public void OnCheckpoint(long step, string path)
        {
        }
    }
}
