using System.Text.Json.Nodes;
using DynConv.Cli.Commands;
using DynConv.Cli.Display;
using DynConv.Diagnostics;
using DynConv.Training.Diagnostics;
using DynConv.Training.Runs;

namespace DynConv.Cli.Tests;

public sealed class BenchTrainTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Steps_on_the_CPU_are_a_table_and_a_row_of_JSON()
    {
        string json = _folder.At("rows.json");
        CommandRun run = CommandRun.Of(
            "bench", "train", "--preset", "nano", "--conv", "lowrank", "--rank", "4", "--context", "8", "--batch", "2",
            "--vocab-size", "50", "--steps", "2", "--device", "cpu", "--threads", "1", "--json", json).Succeeded();

        Assert.Matches(@"^nano: [\d,]+ parameters, lowrank convolutions on q,k,v, 50 ids; 2 x 8 tokens a step; adamw$", run.OutputLines[0]);
        Assert.Matches(@"^1 threads, \d+-bit vectors, float32; copy [\d.]+ GB/s, matrix products [\d,]+ GFLOP/s$", run.OutputLines[1]);
        Assert.Matches(@"(?m)^step +[\d.]+ ms, median of 2 \([\d.]+ to [\d.]+\)$", run.Output);
        Assert.Matches(@"(?m)^speed +[\d,]+ tokens/s$", run.Output);
        Assert.Matches(@"(?m)^arithmetic +[\d.]+ GFLOP/s, [\d.]+% of a large matrix product$", run.Output);
        Assert.DoesNotContain("kernel by kernel", run.Output, StringComparison.Ordinal);
        JsonNode row = Assert.Single(JsonNode.Parse(File.ReadAllText(json))!.AsArray())!;
        Assert.Equal(
            [
                "model", "conv", "placement", "parameters", "vocabulary_size", "batch", "accumulate", "context", "pack", "recompute", "optimizer", "device",
                "device_name", "dtype", "steps", "step_ms", "fastest_step_ms", "slowest_step_ms", "peak_bytes", "reserved_bytes", "flop_per_token",
                "peak_tflop_per_s", "ceilings", "kernels", "tokens_per_second", "tflop_per_s", "mfu", "of_product", "groups", "not_in_kernels_ms",
            ],
            row.AsObject().Select(pair => pair.Key));
        Assert.Equal((50, 2, "lowrank", "cpu"), ((int)row["vocabulary_size"]!, (int)row["steps"]!, (string)row["conv"]!, (string)row["device"]!));
    }

    [Fact]
    public void Kernels_are_summed_by_what_they_are_for()
    {
        using var output = new StringWriter { NewLine = "\n" };
        TrainingReport.Print(output, Timing(), isCuda: false);
        Assert.Contains("arithmetic        98.9 TFLOP/s, 49.5% of a large matrix product, 10.0% of the card's 989 (MFU)\n", output.ToString(), StringComparison.Ordinal);
        Assert.EndsWith(
            """

            another step, kernel by kernel; shares of the median step
                               launches       ms  share
            attention forward         6     5.00  50.0%
            matrix products           3     3.00  30.0%
            not in kernels                  2.00  20.0%

            """,
            output.ToString(),
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_run_tells_its_share_of_the_peak_where_that_is_known()
    {
        using var output = new StringWriter { NewLine = "\n" };
        using var display = new PlainTrainingDisplay(output);
        var step = new StepMetrics(1, 2, 1.5, 1e-3, 1, 100, 179_600, 1, 1);
        display.OnStep(step with { Utilization = 0.4567 });
        display.OnStep(step with { Step = 2 });
        Assert.Equal(
            ["step 1/2  loss 1.5000  lr 1.00e-3  179,600 tokens/s, 45.7% MFU  1s left", "step 2/2  loss 1.5000  lr 1.00e-3  179,600 tokens/s  1s left"],
            output.ToString().TrimEnd('\n').Split('\n'));
    }

    /// <summary>10 ms a step of 1,000 tokens.</summary>
    private static TrainingTiming Timing() => new()
    {
        Model = "300m",
        Convolutions = "none",
        Placement = [],
        Parameters = 3,
        VocabularySize = 50,
        Batch = 1,
        Accumulate = 1,
        Context = 1000,
        IsPacked = false,
        Optimizer = "adamw",
        Device = "cuda:0",
        DeviceName = "NVIDIA H200",
        DType = "bfloat16",
        Steps = 20,
        StepMs = 10,
        FastestStepMs = 9,
        SlowestStepMs = 11,
        PeakBytes = 1,
        ReservedBytes = 2,
        FlopPerToken = 989_000_000,
        PeakTflopPerS = 989,
        Ceilings = new DeviceCeilings(4000, 200),
        Kernels = [new("attention_a_forward", "attention forward", 2, 4), new("cublasLtMatmul", "matrix products", 3, 3), new("attention_b_forward", "attention forward", 4, 1)],
    };
}
