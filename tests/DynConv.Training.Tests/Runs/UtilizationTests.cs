using System.Text.Json.Nodes;
using DynConv.Training.Runs;

namespace DynConv.Training.Tests.Runs;

public sealed class UtilizationTests
{
    [Fact]
    public void A_step_is_logged_with_its_share_of_the_peak_where_that_is_known()
    {
        using var run = new TinyRun();
        Directory.CreateDirectory(run["run"]);
        var step = new StepMetrics(1, 2, 1.5, 1e-3, 1, 100, 50, 2, 2);
        using (MetricsLog log = MetricsLog.Open(run["run"], null, Assert.Fail))
        {
            log.Write(step with { Utilization = 0.45678 });
            log.Write(step with { Step = 2 });
        }

        JsonNode[] rows = [.. File.ReadLines(Path.Combine(run["run"], MetricsLog.Name)).Select(line => JsonNode.Parse(line)!)];
        Assert.Equal(0.4568, (double)rows[0]["mfu"]!);
        Assert.False(rows[1].AsObject().ContainsKey("mfu"));
    }

    [Fact]
    public void It_is_the_speed_over_that_at_the_peak()
    {
        using var run = new TinyRun();
        RunClock clock = new(0, new ValidationPlan(10, 0, 16, 1, 1), tokensPerStep: 64) { PeakTokensPerSecond = 1e6 };
        clock.Begin();
        using var model = new Models.LanguageModel(run.Configuration.ModelConfiguration(257));
        using var optimizer = new Optimizers.AdamWOptimizer(model);
        using var trainer = new Optimizers.Trainer(optimizer);
        using var ids = Tensor.From([1, 2, 3, 4], [1, 4]);
        StepMetrics measured = clock.Measure(trainer.Step(() => model.Loss(ids, ids)));
        Assert.Equal(measured.TokensPerSecond / 1e6, measured.Utilization!.Value, 1e-12);
    }
}
