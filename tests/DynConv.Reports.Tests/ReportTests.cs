using System.Buffers;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace DynConv.Reports.Tests;

/// <summary>What is made of folders, whole, damaged and still being written.</summary>
public sealed class ReportTests : IDisposable
{
    private readonly ReportFolders _folders = new();

    public void Dispose() => _folders.Dispose();

    [Fact]
    public void Everything_in_a_folder_of_folders_is_found()
    {
        _folders.AddRun("runs/plain", 20, "none");
        _folders.AddRun("runs/lowrank", 30);
        _folders.AddRecall("recall");
        _folders.AddAblation("ablation");
        _folders.AddScaling("scaling");
        _folders.AddRun("runs/lowrank/checkpoints/not-a-run", 5);
        var report = new Report([_folders.Root]);
        report.ReadAll();
        JsonNode data = Data(report);
        Assert.Equal(["runs/lowrank", "runs/plain"], data["runs"]!.AsArray().Select(run => (string)run!["name"]!));
        Assert.Equal(["ablation", "recall", "scaling"], data["results"]!.AsArray().Select(result => (string)result!["kind"]!));
        Assert.Equal((2, 3), (report.Runs, report.Results));

        JsonNode plain = data["runs"]![1]!;
        Assert.Equal("none", (string)plain["settings"]!["conv"]!);
        Assert.Equal(20, (long)plain["steps"]!);
        Assert.False((bool)plain["finished"]!);
        Assert.Equal(20, plain["training"]!["loss"]!.AsArray().Count);
        Assert.Equal([2, 4, 6, 8, 10, 12, 14, 16, 18, 20], plain["validation"]!["step"]!.AsArray().Select(step => (int)step!));
        Assert.Equal(20 * 4096, (long)plain["validation"]!["tokens"]![9]!);
        Assert.Equal(10, (double)plain["validation"]!["seconds"]![9]!);
    }

    [Fact]
    public void Names_are_as_short_as_they_can_be()
    {
        string first = _folders.AddRun("a/run", 3);
        string second = _folders.AddRun("b/other", 3);
        string third = _folders.AddRun("b/run", 3);
        Assert.Equal(["run", "other"], Names([first, second]));
        Assert.Equal([first, third], Names([first, third]));
        Assert.Equal(["other", "run"], Names([_folders["b"]]));
        Assert.Equal(["run"], Names([first, first]));
    }

    [Fact]
    public void A_last_line_that_is_half_written_waits_for_its_other_half()
    {
        _folders.AddRun("run", 10);
        _folders.Append("run", "{\"step\":11,\"lo");
        var report = new Report([_folders.Root]);
        report.ReadAll();
        Assert.Equal(10, Steps(Data(report)).Length);

        _folders.Append("run", "ss\":1.5}\n");
        report.ReadAll();
        Assert.Equal(11, Steps(Data(report))[^1]);
        Assert.Null(Data(report)["runs"]![0]!["training"]!["seconds"]![10]);
    }

    [Fact]
    public void Only_what_is_new_is_sent()
    {
        _folders.AddRun("run", 10);
        _folders.AddRecall("recall");
        var report = new Report([_folders.Root]);
        report.Update();
        JsonNode all = Data(report);
        _folders.Append("run", ReportFolders.Lines(11, 12, 100));
        report.Update();
        JsonNode news = Data(report, all);
        Assert.Equal([11, 12], Steps(news));
        Assert.Empty(news["runs"]![0]!["validation"]!["step"]!.AsArray());
        Assert.Null(news["results"]);

        _folders.AddAblation("ablation");
        report.Update();
        Assert.Equal(2, Data(report, all)["results"]!.AsArray().Count);
        Assert.Equal(12, Steps(Data(report, JsonNode.Parse("{\"session\":\"another\",\"stamp\":\"\",\"runs\":[]}")!)).Length);
    }

    [Theory]
    [InlineData(6, 0)]
    [InlineData(6, 3)]
    [InlineData(6, 9)]
    [InlineData(10, 0)]
    public void A_run_that_is_cut_back_and_goes_on_is_read_again(int cut, int more)
    {
        _folders.AddRun("run", 10, floor: 1);
        var report = new Report([_folders.Root]);
        report.Update();
        JsonNode before = Data(report);
        string kept = ReportFolders.Lines(1, cut, 1, floor: 1);
        _folders.Write("run/metrics.jsonl", kept + ReportFolders.Lines(cut + 1, cut + more, 1, floor: 1.5));
        report.Update();
        bool changed = cut + more != 10 || more > 0;
        Assert.Equal(changed ? Enumerable.Range(1, cut + more) : [], Steps(Data(report, before)));
        Assert.Equal(Enumerable.Range(1, cut + more), Steps(Data(report)));
    }

    [Fact]
    public void A_run_that_is_begun_anew_is_read_again()
    {
        _folders.AddRun("run", 10);
        var report = new Report([_folders.Root]);
        report.Update();
        File.Delete(_folders["run/metrics.jsonl"]);
        report.Update();
        Assert.Empty(Steps(Data(report)));
        _folders.AddRun("run", 15, floor: 2);
        report.Update();
        Assert.Equal(15, Steps(Data(report)).Length);
        Assert.Empty(report.Problems);
    }

    [Theory]
    [InlineData("run/metrics.jsonl", "{\"step\":1,\"loss\":2}\nnonsense\n", "metrics.jsonl, line 2 is not a line of metrics.")]
    [InlineData("run/metrics.jsonl", "{\"loss\":2}\n", "metrics.jsonl, line 1 is not a line of metrics.")]
    [InlineData("run/metrics.jsonl", "[1]\n", "metrics.jsonl, line 1 is not a line of metrics.")]
    [InlineData("run/metrics.jsonl", "\n", "metrics.jsonl, line 1 is not a line of metrics.")]
    [InlineData("run/metrics.jsonl", "{\"step\":1,\"loss\":2\n", "metrics.jsonl, line 1 is not a line of metrics.")]
    [InlineData("run/run.yaml", "colour: red\n", "run.yaml, line 1")]
    [InlineData("x/recall.json", "{}", "recall.json is not what 'dynconv recall' writes: it has to hold an array.")]
    [InlineData("x/ablation.json", "[]", "ablation.json is not what 'dynconv ablate' writes: it has to hold an object.")]
    [InlineData("x/scaling.json", "{\n\"form\":", "scaling.json, line 2 is not JSON.")]
    public void A_damaged_file_is_named_and_leaves_the_rest_to_be_watched(string file, string content, string message)
    {
        _folders.AddRun("good", 5);
        _folders.Write(file, content);
        var report = new Report([_folders.Root]);
        report.Update();
        Assert.Contains(message, Assert.Single(report.Problems), StringComparison.Ordinal);
        Assert.Equal("good", (string)Assert.Single(Data(report)["runs"]!.AsArray())!["name"]!);
        Assert.Contains(message, Assert.Throws<DynConvException>(report.ReadAll).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_without_anything_to_show_is_an_error_for_a_page_and_a_start_for_watching()
    {
        Directory.CreateDirectory(_folders["empty"]);
        var report = new Report([_folders["empty"]]);
        report.Update();
        Assert.Empty(report.Problems);
        Assert.Contains("empty has nothing to show", Assert.Throws<DynConvException>(report.ReadAll).Message, StringComparison.Ordinal);
        Assert.Contains("There is no folder", Assert.Throws<DynConvException>(() => new Report([_folders["no"]])).Message, StringComparison.Ordinal);

        _folders.AddRun("empty/run", 2);
        report.ReadAll();
        Assert.Equal(1, report.Runs);
    }

    [Fact]
    public void What_files_say_cannot_leave_the_place_of_data()
    {
        Assert.SkipUnless(Browser.IsBuilt, Browser.NotBuilt);
        _folders.Write("x/ablation.json", """{ "name": "</script><script>alert(1)</script>", "rows": [] }""");
        var report = new Report([_folders.Root]);
        report.ReadAll();
        string page = ReportPage.Make(report);
        Assert.DoesNotContain("alert(1)</script>", page, StringComparison.Ordinal);
        Assert.DoesNotMatch("(src|href)=\"?https?:", page);
    }

    private static string[] Names(string[] folders)
    {
        var report = new Report(folders);
        report.ReadAll();
        return [.. Data(report)["runs"]!.AsArray().Select(run => (string)run!["name"]!)];
    }

    private static int[] Steps(JsonNode data) => [.. data["runs"]![0]!["training"]!["step"]!.AsArray().Select(step => (int)step!)];

    /// <summary>What a page gets that has something already.</summary>
    private static JsonNode Data(Report report, JsonNode? have = null)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            report.Write(json, have is null ? ReportPosition.Start : ReportPosition.Parse(
                (string)have["session"]!,
                (string)have["stamp"]!,
                string.Join('_', have["runs"]!.AsArray().Select(run => string.Join(
                    '.', run!["id"], run["epoch"], run["training"]!["step"]!.AsArray().Count, run["validation"]!["step"]!.AsArray().Count)))));
        }

        return JsonNode.Parse(buffer.WrittenSpan)!;
    }
}
