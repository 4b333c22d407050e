using System.Diagnostics;
using DynConv.Tests;

namespace DynConv.Reports.Tests;

/// <summary>Looks at pages in a real Chromium, driven by the scripts in <c>browser</c>.</summary>
internal static class Browser
{
    public const string NotBuilt = "The page was not built: npm or its registry is missing.";

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    public static bool IsBuilt { get; } = typeof(Report).Assembly.GetManifestResourceNames().Contains("report.js");

    /// <summary>Why no page can be looked at here; null if it can.</summary>
    public static string? Missing { get; } =
        !IsBuilt ? NotBuilt
        : !Tools.Chromium.IsThere ? Tools.Chromium.Missing
        : !Tools.Node.IsThere ? Tools.Node.Missing
        : !Directory.Exists(Path.Combine(Scripts, "node_modules", "playwright-core")) ? "Playwright's driver was not installed: npm or its registry is missing."
        : null;

    private static string Scripts
    {
        get
        {
            string? root = AppContext.BaseDirectory;
            while (root is not null && !File.Exists(Path.Combine(root, "DynConv.slnx")))
            {
                root = Path.GetDirectoryName(root);
            }

            return Path.Combine(root ?? throw new InvalidOperationException("The tests do not run inside the repository."), "tests", "DynConv.Reports.Tests", "browser");
        }
    }

    /// <summary>Runs a scenario of <c>browser/scenarios.js</c>; what it finds wrong fails the test.</summary>
    public static async Task Check(string scenario, string address, string folder)
    {
        var start = new ProcessStartInfo(Tools.Node.OrSkip(), [Path.Combine(Scripts, "run.js"), scenario, address, folder])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["CHROMIUM"] = Tools.Chromium.OrSkip();
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        using var patience = new CancellationTokenSource(Patience);
        try
        {
            await process.WaitForExitAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
        }

        Assert.True(process.ExitCode == 0, $"{scenario}:\n{await output}{await error}");
    }
}
