using System.Collections;
using System.Diagnostics;
using System.Runtime.InteropServices;

namespace DynConv.Packages.Tests;

/// <summary>Runs <c>dotnet</c> and what it has built as a person would, who has not started it from a test.</summary>
internal static class ChildProgram
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);

    /// <summary>The folder with the runtime of the tests, which programs that were built look for theirs in.</summary>
    private static readonly string DotnetRoot = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));

    /// <summary>Runs a program until it ends.</summary>
    /// <param name="program">Its name or path.</param>
    /// <param name="folder">Where.</param>
    /// <param name="packages">The folder of packages that it sees; null for the machine's own.</param>
    /// <param name="arguments">What it is given.</param>
    public static ProgramRun Run(string program, string folder, string? packages, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = folder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (string name in Environment.GetEnvironmentVariables().Cast<DictionaryEntry>().Select(variable => (string)variable.Key).Where(IsOfTests))
        {
            start.Environment.Remove(name);
        }

        start.Environment["DOTNET_ROOT"] = DotnetRoot;
        start.Environment["DOTNET_NOLOGO"] = "1";

        // Nothing that was started may outlive the test.
        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        start.Environment["DOTNET_CLI_USE_MSBUILD_SERVER"] = "0";
        start.Environment["UseSharedCompilation"] = "false";
        if (packages is not null)
        {
            start.Environment["NUGET_PACKAGES"] = packages;
        }

        using Process process = Process.Start(start)!;
        process.StandardInput.Close();
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        string command = $"{Path.GetFileName(program)} {string.Join(' ', arguments)}";
        if (!process.WaitForExit(Patience))
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"{command} does not end.");
        }

        return new ProgramRun(command, process.ExitCode, output.Result, error.Result);
    }

    // What `dotnet test` and the tests' settings tell their children, MSBuild's own folders among it.
    private static bool IsOfTests(string variable) =>
        variable.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase) || variable.StartsWith("DYNCONV_", StringComparison.Ordinal) || variable == "CI";
}
