using System.Text.Json.Nodes;
using DynConv.Models;
using DynConv.Experiments.Ablations;

namespace DynConv.Cli.Tests;

public sealed class AblateTests : IDisposable
{
    private const string Placement = """
        name: Placement
        baseline: none
        seeds: [0, 1]
        base:
          model: { hidden_size: 16, layers: 1, attention_heads: 2 }
          context: 16
          batch: 2
          rank: 4
          steps: 12
        rows:
          none: { conv: none }
          Q: { placement: q }
          QKV: { placement: qkv }
        """;

    private const string Sizes = """
        seeds: [0, 1]
        base:
          context: 16
          batch: 2
          rank: 2
          learning_rate: 0.01
        grid:
          size:
            8: { model: { hidden_size: 8, layers: 1, attention_heads: 1 }, steps: 20 }
            12: { model: { hidden_size: 12, layers: 1, attention_heads: 1 }, steps: 60 }
            16: { model: { hidden_size: 16, layers: 1, attention_heads: 1 }, steps: 180 }
          architecture:
            none: { conv: none }
            static: { conv: static }
            low-rank: { conv: lowrank }
        """;

    private readonly TinyRun _tiny;
    private readonly TemporaryFolder _folder = new();

    public AblateTests(TinyRun tiny) => _tiny = tiny;

    public static TheoryData<string> Shipped => [.. Directory.GetFiles(ConfigurationFolder(), "*.yaml").Select(path => Path.GetFileName(path)).Order()];

    private string Out => _folder.At("grid");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_grid_is_run_and_ends_with_its_table()
    {
        CommandRun run = Ablate(Placement).Succeeded();
        string[] lines = run.OutputLines;
        Assert.Equal("[1/6] none, seed 0", lines[0]);
        Assert.Contains(lines, line => line.StartsWith("[6/6] QKV, seed 1: loss ", StringComparison.Ordinal));
        Assert.Matches(@"^\| Placement \| parameters \| +loss \| +least to most \| perplexity \| less none \| +least to most \| tokens/s \| seeds \|$", lines[^5]);
        Assert.Matches(@"^\| -+ \| -+: \|", lines[^4]);
        Assert.Matches(@"^\| none +\| +7,248 \| \d\.\d{4} \| \d\.\d{4} to \d\.\d{4} \| +\d+\.\d{3} \| +\| +\| +[0-9,]+ \| +2/2 \|$", lines[^3]);
        Assert.Matches(@"^\| QKV .* [+-]\d\.\d{4} \| [+-]\d\.\d{4} to [+-]\d\.\d{4} \|", lines[^1]);
        Assert.DoesNotContain('\e', run.Output);

        string[] table = lines[^5..];
        CommandRun again = Ablate(Placement).Succeeded();
        Assert.Equal(table, again.OutputLines[^5..]);
        Assert.DoesNotContain("[1/6]", again.Output, StringComparison.Ordinal);

        // More seeds are more runs; the table says how many have not begun.
        CommandRun more = CommandRun.Of("ablate", "--config", _folder.At("grid.yaml"), "--out", Out, "--seeds", "3", "--table").Succeeded();
        Assert.Equal("3 of 9 runs have not begun.", more.OutputLines[^1]);

        // The table needs no text any more.
        Assert.Equal(table, CommandRun.Of("ablate", "--config", _folder.At("grid.yaml"), "--out", Out, "--table").Succeeded().OutputLines[^5..]);
        CommandRun.Of("generate", "--model", _folder.At("grid", "qkv-seed1"), "--prompt", "Line", "--max-tokens", "3").SucceededWithNotes();
        CommandRun.Of("plot", _folder.At("grid", "none-seed0"), _folder.At("grid", "qkv-seed0"), "--out", _folder.At("loss.svg")).Succeeded();
    }

    [Fact]
    public void The_live_display_ends_with_the_same_table()
    {
        string config = _folder.Write("grid.yaml", Placement);
        CommandRun run = CommandRun.Of(isInteractive: true, "ablate", "--config", config, "--data", _tiny.Text, "--out", Out).Succeeded();
        Assert.Equal(5, run.OutputLines.Count(line => line.StartsWith('|')));
    }

    [Fact]
    public void A_failure_is_in_the_table_and_in_the_exit_code()
    {
        _folder.Folder("grid");
        _folder.Folder(Path.Combine("grid", "q-seed1"));
        _folder.Write(Path.Combine("grid", "q-seed1", "notes.txt"), "not a run");
        CommandRun run = Ablate(Placement).Failed(1, "1 of 6 runs failed, as the table says; the same command tries them again");
        Assert.StartsWith("Q, seed 1: ", run.OutputLines[^1], StringComparison.Ordinal);
        Assert.Contains("holds other files", run.OutputLines[^1], StringComparison.Ordinal);
        Assert.Contains(run.OutputLines, line => line.StartsWith("| Q ", StringComparison.Ordinal) && line.EndsWith(" 1/2 |", StringComparison.Ordinal));

        // A table says the same, and changes nothing.
        byte[] results = File.ReadAllBytes(_folder.At("grid", "ablation.json"));
        CommandRun table = CommandRun.Of("ablate", "--config", _folder.At("grid.yaml"), "--out", Out, "--table").Succeeded();
        Assert.Equal(run.OutputLines[^1], table.OutputLines[^1]);
        Assert.Equal(results, File.ReadAllBytes(_folder.At("grid", "ablation.json")));
    }

    [Fact]
    public void A_signal_stops_the_grid_and_the_same_command_goes_on()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Signals are sent with kill.");
        string config = _folder.Write("grid.yaml", Placement.Replace("steps: 12", "steps: 800", StringComparison.Ordinal).Replace("[0, 1]", "[0]", StringComparison.Ordinal));
        string[] arguments = ["ablate", "--config", config, "--data", _tiny.Text, "--out", Out];
        using (ChildProcess process = ChildProcess.Start(arguments))
        {
            process.WaitFor("[2/3] Q, seed 0");
            process.WaitUntil(() => File.Exists(_folder.At("grid", "q-seed0", "metrics.jsonl")));
            process.Signal("TERM");
            CommandRun stopped = process.Wait().Stopped(143, "Stopped with 1 of 3 runs finished; the same command goes on");
            Assert.Contains("Q, seed 0: not finished: step ", stopped.Output, StringComparison.Ordinal);
        }

        CommandRun resumed = CommandRun.Of(arguments).Succeeded();
        Assert.DoesNotContain("none, seed 0:", resumed.Output, StringComparison.Ordinal);
        Assert.Contains("[2/3] Q, seed 0: loss ", resumed.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("rows: { a: { rang: 3 } }", "grid.yaml, line 1: there is no setting 'rang'")]
    [InlineData("baseline: b\nrows: { a: {} }", "the baseline 'b' is not a row")]
    [InlineData("base: { tokenizer: nowhere.json }\nrows: { a: {} }", "There is no tokenizer at nowhere.json")]
    public void A_bad_grid_is_one_line_and_leaves_nothing_behind(string text, string words)
    {
        Ablate(text).Failed(1, words);
        Assert.False(Directory.Exists(Out));
    }

    [Fact]
    public void A_grid_needs_text()
    {
        string config = _folder.Write("grid.yaml", Placement);
        CommandRun.Of("ablate", "--config", config, "--out", Out).Failed(1, "There is nothing to train on: give --data PATH");
        Assert.False(Directory.Exists(Out));
    }

    [Fact]
    public void A_scaling_law_is_fitted_to_a_grid_of_sizes()
    {
        Ablate(Sizes).Succeeded();
        string json = _folder.At("scaling.json");
        CommandRun run = CommandRun.Of("scaling", "--runs", Out, "--shared-floor", "--resamples", "20", "--out", json).Succeeded();
        Assert.Equal("L = E + A·C^-α, one E for all, C in operations; 95% intervals", run.OutputLines[0]);
        Assert.Contains(run.OutputLines, line => line.StartsWith("| lowrank ", StringComparison.Ordinal));
        Assert.Contains(run.OutputLines, line => line.StartsWith("static: ", StringComparison.Ordinal) && line.Contains(" none takes ", StringComparison.Ordinal));
        JsonNode file = JsonNode.Parse(File.ReadAllText(json))!;
        Assert.Equal(["lowrank", "none", "static"], file["architectures"]!.AsArray().Select(one => (string)one!["name"]!).Order());

        // Eight hidden channels, a feed-forward layer of 21, one head, 16 tokens: 3 · (2 · 4 · 64 + 2 · 16 · 8 + 6 · 8 · 21 + 2 · 8 · 257) a token.
        double least = file["architectures"]!.AsArray().Single(one => (string)one!["name"]! == "none")!["points"]!.AsArray().Min(point => (double)point!["flops"]!);
        Assert.Equal(3L * (512 + 256 + 1008 + 4112) * 20 * 32, least);

        CommandRun.Of("scaling", "--runs", Out).Failed(1, "has runs of 3 sizes", "--shared-floor");
        CommandRun.Of("scaling", "--runs", Out, "--shared-floor", "--baseline", "headwise").Failed(1, "no run of the baseline 'headwise'");
        CommandRun.Of("scaling", "--runs", Out, _tiny.Folder, "--shared-floor").Failed(1, "are not of the same text, tokenizer, context and packing");
        File.Delete(_folder.At("grid", "8-none-seed0", "model.safetensors"));
        CommandRun.Of("scaling", "--runs", Out).Failed(1, "A run is not finished, as ", "8-none-seed0");
    }

    [Fact]
    public void Folders_without_runs_are_named()
    {
        CommandRun.Of("scaling", "--runs", _folder.Folder("empty")).Failed(1, "holds no run, nor do the folders in it");
        CommandRun.Of("scaling", "--runs", _folder.At("nowhere")).Failed(1, "There is no folder");
    }

    [Theory]
    [MemberData(nameof(Shipped))]
    public void A_shipped_grid_can_be_run(string name)
    {
        AblationGrid grid = AblationFile.Read(Path.Combine(ConfigurationFolder(), name));
        Assert.True(grid.Rows.Count >= 4);
        foreach (AblationRow row in grid.Rows)
        {
            Assert.Empty(row.Configuration.Data);
            Assert.Equal(name.EndsWith("-gpu.yaml", StringComparison.Ordinal) ? "cuda" : "auto", row.Configuration.Device);
        }
    }

    [Fact]
    public void The_shipped_models_for_a_GPU_have_the_papers_parameter_counts()
    {
        double Millions(string file, string row)
        {
            AblationGrid grid = AblationFile.Read(Path.Combine(ConfigurationFolder(), file));
            return Math.Round(ParameterCounts.Of(grid.Rows.Single(one => one.Name == row).Configuration.ModelConfiguration()).Total / 1e6, 1);
        }

        Assert.Equal(305.2, Millions("width-gpu.yaml", "none"));
        Assert.Equal([306.8, 307.6, 308.5, 309.3, 310.1, 311.0], Enumerable.Range(1, 6).Select(width => Millions("width-gpu.yaml", $"W={width}")));
        Assert.Equal(336.8, Millions("rank-gpu.yaml", "R=128"));
        Assert.Equal((330.5, 306.9), (Millions("head-size-gpu.yaml", "S=8"), Millions("head-size-gpu.yaml", "S=128")));
    }

    private CommandRun Ablate(string grid) =>
        CommandRun.Of("ablate", "--config", _folder.Write("grid.yaml", grid), "--data", _tiny.Text, "--out", Out, "--device", "cpu");

    private static string ConfigurationFolder()
    {
        string? root = AppContext.BaseDirectory;
        while (root is not null && !File.Exists(Path.Combine(root, "DynConv.slnx")))
        {
            root = Path.GetDirectoryName(root);
        }

        return Path.Combine(root ?? throw new InvalidOperationException("The tests do not run inside the repository."), "configs");
    }
}
