using System.Text.Json;
using System.Xml.Linq;
using DynConv.Experiments.Recall;
using DynConv.Training.Tests.Data;

namespace DynConv.Experiments.Tests.Recall;

/// <summary>What is made of an experiment's figures.</summary>
public sealed class RecallResultTests
{
    private static readonly XNamespace Svg = "http://www.w3.org/2000/svg";

    [Fact]
    public void The_spread_of_seeds_is_median_least_and_most()
    {
        Assert.Equal(new RecallSpread(2, 1, 9), RecallSpread.Of([9, 1, 2]));
        Assert.Equal(new RecallSpread(2.5, 1, 9), RecallSpread.Of([9, 1, 2, 3]));
        Assert.Equal(new RecallSpread(4, 4, 4), RecallSpread.Of([4]));
    }

    [Theory]
    [InlineData(0.30, 0.60, 0.97, 0.99, "With 2 and 4 pairs headwise and lowrank solve it (95 % or more); no convolution stays at 30.0 % or below, static stays at 60.0 % or below.")]
    [InlineData(0.30, 0.60, 0.94, 0.96, "With 2 and 4 pairs lowrank solve it")]
    [InlineData(0.30, 0.80, 0.96, 0.96, "With 2 pairs headwise is 16 points ahead of static; that is not the difference")]
    [InlineData(0.30, 0.40, 0.90, 0.94, "With 2 pairs lowrank is 54 points ahead of static; that is not the difference")]
    [InlineData(0.30, 1.00, 0.99, 0.995, "No difference: the best dynamic kind and static are within 2 points with any number of pairs; no convolution stays at 30.0 % or below.")]
    [InlineData(0.30, 0.90, 0.50, 0.60, "With 2 pairs static is 30 points ahead of lowrank, the best dynamic kind.")]
    public void The_finding_says_what_the_figures_say(double none, double @static, double headwise, double lowrank, string sentence)
    {
        RecallResult result = Result([2, 4], ("none", none), ("static", @static), ("headwise", headwise), ("lowrank", lowrank));
        Assert.StartsWith(sentence, RecallFinding.Describe(result), StringComparison.Ordinal);
    }

    [Fact]
    public void Without_a_dynamic_and_another_kind_there_is_nothing_to_compare()
    {
        Assert.StartsWith("Nothing to compare", RecallFinding.Describe(Result([2], ("lowrank", 1))), StringComparison.Ordinal);
        Assert.StartsWith("Nothing to compare", RecallFinding.Describe(Result([2], ("none", 1), ("static", 1))), StringComparison.Ordinal);
    }

    [Fact]
    public void The_file_is_an_array_of_runs_with_all_settings_beside_each()
    {
        using var folder = new TemporaryFolder();
        RecallResult result = Result([2, 4], ("none", 0.5), ("lowrank", 0.75));
        using (var output = RecallFolder.Claim(folder["new"]))
        {
            output.Write([result]);
        }

        JsonElement[] rows = [.. JsonDocument.Parse(File.ReadAllText(Path.Combine(folder["new"], "recall.json"))).RootElement.EnumerateArray()];
        Assert.Equal(2 * 2 * 2, rows.Length);
        JsonElement row = rows[^1];
        Assert.Equal("mixed-recall", row.GetProperty("task").GetString());
        Assert.Equal(4, row.GetProperty("pairs").GetInt32());
        Assert.Equal("lowrank", row.GetProperty("conv").GetString());
        Assert.Equal(1, row.GetProperty("seed").GetInt32());
        Assert.Equal(1500, row.GetProperty("steps").GetInt32());
        Assert.Equal(0.75, row.GetProperty("accuracy").GetDouble());
        Assert.Equal(0.01, row.GetProperty("learning_rate").GetDouble());
        Assert.Equal(10, row.GetProperty("curve")[0].GetProperty("step").GetInt32());
        Assert.Equal(0.01, row.GetProperty("sweep")[0].GetProperty("learning_rate").GetDouble());
        JsonElement configuration = row.GetProperty("configuration");
        Assert.Equal(16, configuration.GetProperty("task").GetProperty("symbols").GetInt32());
        Assert.Equal(3, configuration.GetProperty("task").GetProperty("neighbours").GetInt32());
        Assert.Equal(2, configuration.GetProperty("model").GetProperty("layers").GetInt32());
        Assert.Equal(1500, configuration.GetProperty("training").GetProperty("steps").GetInt32());
    }

    [Fact]
    public void A_folder_with_results_is_refused_and_one_made_for_nothing_is_removed()
    {
        using var folder = new TemporaryFolder();
        RecallFolder.Claim(folder["empty"]).Dispose();
        Assert.Empty(folder.Names);

        folder.Write("old/recall.json", "[]");
        Assert.Contains("holds results already", Assert.Throws<DynConvException>(() => RecallFolder.Claim(folder["old"])).Message, StringComparison.Ordinal);
        folder.Write("file", "");
        Assert.Contains("is a file", Assert.Throws<DynConvException>(() => RecallFolder.Claim(folder["file"])).Message, StringComparison.Ordinal);
        Assert.Contains("cannot be made", Assert.Throws<DynConvException>(() => RecallFolder.Claim(folder["file/below"])).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void The_picture_has_a_panel_for_each_task_with_all_points_inside(int tasks)
    {
        RecallResult result = Result([2, 4, 8], ("none", 0), ("static", 0.5), ("headwise", 1), ("lowrank", 1));
        XElement svg = XDocument.Parse(RecallChart.Draw([.. Enumerable.Repeat(result, tasks)])).Root!;
        double[] size = [.. svg.Attribute("viewBox")!.Value.Split(' ').Select(double.Parse)];
        Assert.Equal(tasks * 4, svg.Elements(Svg + "polyline").Count());
        Assert.Equal(tasks, svg.Elements(Svg + "text").Count(text => text.Value == "mixed-recall"));
        Assert.Equal(tasks * 12, svg.Elements(Svg + "circle").Count());
        Assert.All(svg.Elements(Svg + "circle"), circle =>
        {
            Assert.InRange((double)circle.Attribute("cx")!, 0, size[2]);
            Assert.InRange((double)circle.Attribute("cy")!, 0, size[3]);
        });
    }

    private static RecallResult Result(int[] pairs, params (string Conv, double Accuracy)[] kinds)
    {
        var task = new MixedRecall();
        var settings = new RecallSettings { Tasks = [task], Pairs = pairs, Seeds = 2, Convolutions = [.. kinds.Select(kind => kind.Conv)] };
        RecallOutcome[] runs = [.. from kind in kinds
            from seed in new[] { 0, 1 }
            let accuracy = pairs.Select(_ => kind.Accuracy).ToArray()
            select new RecallOutcome(new RecallRun(task, kind.Conv, seed, 0.01), 100, kind.Accuracy, accuracy, [new RecallPoint(10, 1, accuracy)], Diverged: false, 1)];
        return new RecallResult(settings, task, runs, [.. runs.Where(run => run.Run.Seed == 0)]);
    }
}
