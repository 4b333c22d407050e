namespace DynConv.Reports.Tests;

/// <summary>The page in a headless Chromium; what is checked stands in <c>browser/scenarios.js</c>.</summary>
public sealed class BrowserTests : IDisposable
{
    private const int LongSteps = 100_000;

    private readonly ReportFolders _folders = new();

    public BrowserTests() => Assert.SkipUnless(Browser.Missing is null, Browser.Missing ?? "");

    public void Dispose() => _folders.Dispose();

    [Theory]
    [InlineData("charts")]
    [InlineData("hover")]
    [InlineData("zoom")]
    [InlineData("tools")]
    [InlineData("sort")]
    [InlineData("keyboard")]
    [InlineData("phone")]
    [InlineData("theme")]
    [InlineData("print")]
    public async Task A_page_of_everything(string scenario)
    {
        _folders.AddRun("runs/lowrank", 400);
        _folders.AddRun("runs/none", 300, "none", floor: 1.2);
        _folders.AddRecall("recall");
        _folders.AddAblation("ablation");
        _folders.AddScaling("scaling");
        await Browser.Check(scenario, PageOf(_folders.Root), _folders.Root);
    }

    [Fact]
    public async Task More_runs_than_colours_have_those_of_their_kinds()
    {
        foreach (string kind in (string[])["none", "static", "lowrank"])
        {
            foreach (int seed in Enumerable.Range(0, 4))
            {
                _folders.AddRun($"{kind}-{seed}", 20, kind);
            }
        }

        await Browser.Check("crowd", PageOf(_folders.Root), _folders.Root);
    }

    [Fact]
    public async Task A_run_of_100_000_steps_stays_responsive()
    {
        _folders.AddRun("long", LongSteps);
        _folders.AddRun("other", LongSteps, "none", floor: 1.2);
        await Browser.Check("long", PageOf(_folders.Root), _folders.Root);
    }

    [Fact]
    public async Task A_page_of_little_is_whole_too()
    {
        _folders.AddRun("one", 1);
        Directory.CreateDirectory(_folders["none"]);
        _folders.Write("none/run.yaml", "preset: nano\n");
        _folders.Write("bare/ablation.json", "{}");
        _folders.Write("bare/scaling.json", """{ "architectures": [{ "name": "x" }] }""");
        _folders.Write("bare/recall.json", "[]");
        await Browser.Check("little", PageOf(_folders.Root), _folders.Root);
    }

    [Fact]
    public async Task Runs_of_different_tokenizers_compare_in_bits_a_byte()
    {
        _folders.AddRun("runs/bytes", 100);
        _folders.AddRun("runs/words", 100);
        File.AppendAllText(_folders["runs/bytes/run.yaml"], "tokenizer: bytes\n");
        File.AppendAllText(_folders["runs/words/run.yaml"], "tokenizer: bpe.json\n");

        // Started from the other, and so of its tokenizer, whatever the path is called.
        _folders.AddRun("runs/more", 100);
        File.AppendAllText(_folders["runs/more/run.yaml"], "tokenizer: runs/words\n");
        _folders.Write("runs/words/tokenizer.json", "{}");
        _folders.Write("runs/more/tokenizer.json", "{}");
        await Browser.Check("units", PageOf(_folders.Root), _folders.Root);
    }

    [Fact]
    public async Task Odd_files_leave_the_rest_of_the_page()
    {
        _folders.AddRun("run", 20);
        _folders.Write("odd/ablation.json", """{"rows":[null]}""");
        _folders.Write("strange/recall.json", """[{"accuracy":0.5,"task":"a","conv":"none","pairs":2,"configuration":{"task":{"summary":5}}}]""");
        await Browser.Check("odd", PageOf(_folders.Root), _folders.Root);
    }

    [Fact]
    public async Task A_watched_run_grows_on_the_page_and_survives_a_restart()
    {
        _folders.AddRun("run", 50);
        using var stop = new CancellationTokenSource();
        using ReportServer server = ReportServer.Start(new Report([_folders.Root]));
        Task serving = server.RunAsync(stop.Token);
        await Browser.Check("live", server.Address, _folders.Root);
        await stop.CancelAsync();
        await serving;
    }

    private string PageOf(string folder)
    {
        var report = new Report([folder]);
        report.ReadAll();
        return new Uri(_folders.Write("report.html", ReportPage.Make(report))).AbsoluteUri;
    }
}
