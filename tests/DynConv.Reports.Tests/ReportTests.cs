using System.Buffers;
using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using DynConv.Tests;

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
    [InlineData("{\"step\":1,\"loss\":2}\nnonsense\n{\"step\":2,\"loss\":1}\n", 2, "line 2 is not a line of metrics and was left out.")]
    [InlineData("{\"loss\":2}\n", 0, "line 1 is not a line of metrics and was left out.")]
    [InlineData("[1]\n\n", 0, "line 1 is not a line of metrics and was left out, as were 1 more lines.")]
    [InlineData("{\"step\":1,\"loss\":2\n", 0, "line 1 is not a line of metrics and was left out.")]
    [InlineData("{\"step\":1,\"loss\":2}{\"step\":2,\"loss\":2}\n", 0, "line 1 is not a line of metrics and was left out.")]
    [InlineData("{\"step\":1e300,\"loss\":2}\n{\"step\":-1,\"loss\":2}\n", 0, "line 1 is not a line of metrics and was left out, as were 1 more lines.")]
    [InlineData("{\"step\":9,\"loss\":2}\n{\"step\":3,\"loss\":2}\n{\"step\":10,\"loss\":2}\n", 2, "line 2 is not a line of metrics and was left out.")]
    [InlineData("{\"step\":1,\"loss\":NaN}\n{\"step\":2,\"loss\":null,\"x\":\"\\ud800\"}\n{\"step\":3,\"loss\":1e999,\"note\":{\"a\":[1]}}\n", 3, null)]
    [InlineData("\ufeff{\"step\":1,\"loss\":2}\r\n", 1, null)]
    public void Rows_that_are_none_are_counted_and_the_others_shown(string log, int rows, string? problem)
    {
        _folders.AddRun("good", 5);
        _folders.Write("run/metrics.jsonl", log);
        var report = new Report([_folders.Root]);
        report.ReadAll();
        Assert.Equal(rows, Data(report)["runs"]![1]!["training"]!["step"]!.AsArray().Count);
        Assert.Equal(problem is null ? [] : [$"{_folders["run/metrics.jsonl"]}, {problem}"], report.Problems);
        Assert.Equal(5, Steps(Data(report)).Length);
    }

    [Theory]
    [InlineData("x/recall.json", "{}", "recall.json is not what 'dynconv recall' writes: it has to hold an array.")]
    [InlineData("x/ablation.json", "[]", "ablation.json is not what 'dynconv ablate' writes: it has to hold an object.")]
    [InlineData("x/scaling.json", "{\n\"form\":", "scaling.json, line 2 is not JSON.")]
    [InlineData("x/ablation.json", "{\"rows\":[null]}", "ablation.json: rows[0] is null, where an object belongs.")]
    [InlineData("x/ablation.json", "{\"rows\":{}}", "ablation.json: rows is no list.")]
    [InlineData("x/ablation.json", "{\"rows\":[{\"seeds\":[{},3]}]}", "ablation.json: rows[0].seeds[1] is no object, where an object belongs.")]
    [InlineData("x/scaling.json", "{\"architectures\":[null]}", "scaling.json: architectures[0] is null, where an object belongs.")]
    [InlineData("x/scaling.json", "{\"architectures\":[{\"points\":[null]}]}", "scaling.json: architectures[0].points[0] is null, where an object belongs.")]
    [InlineData("x/recall.json", "[{\"curve\":[null]}]", "recall.json: $[0].curve[0] is null, where an object belongs.")]
    [InlineData("x/recall.json", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "recall.json, line 1 is not JSON.")]
    public void An_odd_file_of_results_is_a_sentence_in_its_place(string file, string content, string message)
    {
        _folders.AddRun("good", 5);
        _folders.AddAblation("fine");
        _folders.Write(file, content);
        var report = new Report([_folders.Root]);
        report.ReadAll();
        JsonNode data = Data(report);
        Assert.Contains(message, Assert.Single(report.Problems), StringComparison.Ordinal);
        Assert.Empty(data["problems"]!.AsArray());
        Assert.Equal(report.Problems[0], (string)data["results"]![1]!["problem"]!);
        Assert.Equal("rank", (string)data["results"]![0]!["content"]!["name"]!);
    }

    [Fact]
    public void Halves_of_surrogate_pairs_are_shown_as_what_they_are()
    {
        _folders.Write("x/recall.json", """[{"task":"a\ud800b \ud83d\ude00 \\ud800","accuracy":1}]""");
        var report = new Report([_folders.Root]);
        report.ReadAll();
        Assert.Equal("a\ufffdb \ud83d\ude00 \\ud800", (string)Data(report)["results"]![0]!["content"]![0]!["task"]!);
    }

    [Fact]
    public void A_run_keeps_its_curves_where_its_configuration_cannot_be_read()
    {
        _folders.AddRun("run", 5);
        _folders.Write("run/run.yaml", "colour: red\n");
        _folders.Write("run/config.json", """{"a":"\ud800","num_hidden_layers":2147483647}""");
        var report = new Report([_folders.Root]);
        report.ReadAll();
        Assert.Contains("run.yaml, line 1: there is no setting 'colour'.", report.Problems[0], StringComparison.Ordinal);
        Assert.Equal(5, Steps(Data(report)).Length);
    }

    [Fact]
    public void A_run_goes_on_while_its_log_grows()
    {
        _folders.AddRun("run", 5);
        var report = new Report([_folders.Root]);
        report.Update();
        Assert.True((bool)Data(report)["runs"]![0]!["running"]!);
        File.SetLastWriteTimeUtc(_folders["run/metrics.jsonl"], DateTime.UtcNow.AddMinutes(-2));
        report.Update();
        Assert.False((bool)Data(report)["runs"]![0]!["running"]!);
        _folders.Append("run", "{\"step\":6,\"loss\":1,\"seconds\":100}\n"); // steps of minutes leave longer pauses
        File.SetLastWriteTimeUtc(_folders["run/metrics.jsonl"], DateTime.UtcNow.AddMinutes(-2));
        report.Update();
        Assert.True((bool)Data(report)["runs"]![0]!["running"]!);
        _folders.Write("run/config.json", "{}");
        _folders.Write("run/model.safetensors", "");
        report.Update();
        Assert.Equal((true, false), ((bool)Data(report)["runs"]![0]!["finished"]!, (bool)Data(report)["runs"]![0]!["running"]!));
    }

    [Fact]
    public void A_log_beyond_all_measure_is_read_in_part()
    {
        _folders.AddRun("run", 5);
        using (FileStream log = File.OpenWrite(_folders["run/metrics.jsonl"]))
        {
            log.SetLength(3L << 30); // zeros without end, and without room on the disk
        }

        var report = new Report([_folders.Root]);
        long before = GC.GetAllocatedBytesForCurrentThread();
        report.Update();
        report.Update();
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 4 << 20);
        Assert.Equal(5, Steps(Data(report)).Length);
        Assert.Contains("metrics.jsonl is larger than 256 MiB", Assert.Single(report.Problems), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("metrics.jsonl", "pipe")]
    [InlineData("metrics.jsonl", "folder")]
    [InlineData("metrics.jsonl", "link outside")]
    [InlineData("metrics.jsonl", "link to itself")]
    [InlineData("metrics.jsonl", "device")]
    [InlineData("metrics.jsonl", "socket")]
    [InlineData("run.yaml", "pipe")]
    [InlineData("recall.json", "pipe")]
    [InlineData("recall.json", "link outside")]
    [InlineData("ablation.json", "dead link")]
    [InlineData("scaling.json", "folder")]
    public void What_is_no_file_is_named_and_left_alone(string name, string what)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Pipes and devices are found on Linux.");
        _folders.AddRun("good", 5);
        Directory.CreateDirectory(_folders["odd"]);
        string path = _folders[$"odd/{name}"];
        Socket? socket = null;
        switch (what)
        {
            case "pipe":
                using (var made = Process.Start("mkfifo", path))
                {
                    made.WaitForExit();
                }

                break;
            case "folder":
                Directory.CreateDirectory(path);
                break;
            case "socket":
                socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                socket.Bind(new UnixDomainSocketEndPoint(path));
                break;
            default:
                File.CreateSymbolicLink(path, what switch
                {
                    "device" => "/dev/zero",
                    "dead link" => "/nowhere/at/all",
                    "link to itself" => path,
                    _ => Path.Combine(_folders["good"], "metrics.jsonl"),
                });
                break;
        }

        var report = new Report([_folders.Root]);
        report.Update();
        socket?.Dispose();
        Assert.StartsWith(path, Assert.Single(report.Problems), StringComparison.Ordinal);
        Assert.Equal(5, Steps(Data(report)).Length);
        Assert.DoesNotContain("\"step\":[1", Data(report)["runs"]!.AsArray().ElementAtOrDefault(1)?.ToJsonString() ?? "", StringComparison.Ordinal);
    }

    [Fact]
    public void Mutated_files_never_end_the_report()
    {
        _folders.AddRecall("recall");
        _folders.AddAblation("ablation");
        _folders.AddScaling("scaling");
        byte[][] samples = [.. new[] { "recall/recall.json", "ablation/ablation.json", "scaling/scaling.json" }.Select(name => File.ReadAllBytes(_folders[name]))];
        string[] names = ["recall.json", "ablation.json", "scaling.json", "config.json"];
        int shown = 0;
        Fuzz.Bytes("report", samples, bytes =>
        {
            foreach (string name in names)
            {
                Directory.CreateDirectory(_folders["mutated"]);
                File.WriteAllBytes(_folders[$"mutated/{name}"], bytes);
            }

            var report = new Report([_folders["mutated"]]);
            report.Update();
            Assert.All(report.Problems, problem => Assert.Null(Fuzz.Fault(problem)));
            shown += Data(report)["results"]!.AsArray().Count(result => result!["content"] is not null);
        });
        Assert.InRange(shown, 20, int.MaxValue);

        byte[] log = Encoding.UTF8.GetBytes(ReportFolders.Lines(1, 20, 5));
        FuzzResult result = Fuzz.Bytes("metrics.jsonl", [log], bytes =>
        {
            Directory.CreateDirectory(_folders["mutated-run"]);
            File.WriteAllBytes(_folders["mutated-run/metrics.jsonl"], bytes);
            var report = new Report([_folders["mutated-run"]]);
            report.Update();
            Assert.All(report.Problems, problem => Assert.Null(Fuzz.Fault(problem)));
            int[] steps = Steps(Data(report));
            Assert.Equal(steps.Order(), steps);
        });
        Assert.Equal(0, result.Refused);
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
