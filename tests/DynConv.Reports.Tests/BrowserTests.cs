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
