using System.Net;
using System.Text.RegularExpressions;

namespace DynConv.Cli.Tests;

[Trait("Uses", "npm")]
public sealed partial class ReportTests(TinyRun tiny) : IDisposable
{
    private readonly TinyRun _tiny = tiny;
    private readonly TemporaryFolder _folder = new();

    private static bool HasPage => typeof(Reports.Report).Assembly.GetManifestResourceStream("report.js") is { Length: > 0 };

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Report_writes_one_page_that_holds_everything()
    {
        SkipWithoutPage();
        string path = _folder.At("report.html");
        CommandRun run = CommandRun.Of("report", _tiny.Folder, "--out", path).Succeeded();
        Assert.Equal([path], run.OutputLines);
        string page = File.ReadAllText(path);
        Assert.Contains("\"name\":\"run\"", page, StringComparison.Ordinal);
        Assert.Contains("\"finished\":true", page, StringComparison.Ordinal);
        Assert.DoesNotMatch("(src|href)=\"?https?:", page);
    }

    [Fact]
    public void Without_its_page_report_says_what_a_build_needs()
    {
        Assert.SkipWhen(HasPage, "The page was built.");
        string path = _folder.At("report.html");
        CommandRun.Of("report", _tiny.Folder, "--out", path).Failed(1, "has no report page", "npm");
        Assert.False(File.Exists(path));
    }

    [Fact]
    public void Report_shows_the_rest_where_a_file_is_odd_and_says_so()
    {
        SkipWithoutPage();
        string path = _folder.At("report.html");
        string odd = _folder.Folder("odd");
        File.WriteAllText(Path.Combine(odd, "ablation.json"), "{\"rows\":[null]}");
        CommandRun run = CommandRun.Of("report", _tiny.Folder, odd, "--out", path).SucceededWithNotes();
        Assert.Contains("ablation.json: rows[0] is null, where an object belongs.", run.Error, StringComparison.Ordinal);
        Assert.Contains("\"name\":\"run\"", File.ReadAllText(path), StringComparison.Ordinal);
    }

    [Fact]
    public void Report_says_in_a_line_what_it_cannot_show()
    {
        string output = _folder.At("report.html");
        CommandRun.Of("report", _folder.At("nowhere"), "--out", output).Failed(1, "There is no folder", "nowhere");
        CommandRun.Of("report", _tiny.Text, "--out", output).Failed(1, "is a file; give the folder that it is in");
        CommandRun.Of("report", _tiny.Folder, _folder.Folder("empty"), "--out", output).Failed(1, "empty has nothing to show", "metrics.jsonl");
        CommandRun.Of("report", _tiny.Folder, "--out", _folder.At("no", "report.html")).Failed(1, "There is no folder");
        Assert.False(File.Exists(output));
    }

    [Fact]
    public async Task Watch_says_where_it_serves_and_ends_with_a_signal()
    {
        SkipWithoutPage();
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Signals are sent with kill.");
        using ChildProcess process = ChildProcess.Start("watch", _tiny.Folder);
        process.WaitFor("; Ctrl-C ends it");
        using var client = new HttpClient();
        string address = Address().Match(process.Output).Value;
        Assert.Contains("<title>DynConv report</title>", await client.GetStringAsync(address), StringComparison.Ordinal);
        Assert.Contains("\"name\":\"run\"", await client.GetStringAsync(address + "data"), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.NotFound, (await client.GetAsync(address + "run.yaml")).StatusCode);
        process.Signal("TERM");
        process.Wait().Succeeded();
    }

    [Fact]
    public void Watch_says_in_a_line_why_it_cannot_serve()
    {
        SkipWithoutPage();
        CommandRun.Of("watch", _folder.At("nowhere")).Failed(1, "There is no folder");
        CommandRun.Of("watch", _tiny.Folder, "--port", "99999").Failed(1, "cannot be served", "try another --port");
    }

    [Fact]
    public void Train_writes_an_event_file_for_TensorBoard_when_asked()
    {
        string folder = _folder.At("run");
        CommandRun.Of(_tiny.Train(folder, "--steps", "3", "--tensorboard")).Succeeded();
        Assert.Single(Directory.GetFiles(folder, "events.out.tfevents.*"));
        Assert.Empty(Directory.GetFiles(_tiny.Folder, "events.out.tfevents.*"));
        CommandRun.Of("train", "--out", folder, "--resume", "--tensorboard").Succeeded();
        Assert.Equal(2, Directory.GetFiles(folder, "events.out.tfevents.*").Length);
    }

    private static void SkipWithoutPage() =>
        Assert.SkipUnless(HasPage, "The page was not built: npm or its registry is missing.");

    [GeneratedRegex("http://localhost:[0-9]+/")]
    private static partial Regex Address();
}
