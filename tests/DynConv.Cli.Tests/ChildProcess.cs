using System.Diagnostics;
using System.Text;

namespace DynConv.Cli.Tests;

/// <summary>The command line as a process of its own, which signals can reach.</summary>
public sealed class ChildProcess : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly Process _process;
    private readonly StringBuilder _output = new();
    private readonly Task<string> _error;
    private readonly Task _reading;

    private ChildProcess(string file, IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(file, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        _process = Process.Start(start)!;
        _error = _process.StandardError.ReadToEndAsync();
        _reading = Task.Run(ReadOutput);
    }

    /// <summary>The built command beside the tests.</summary>
    public static string Dll => Path.Combine(AppContext.BaseDirectory, "DynConv.Cli.dll");

    public bool HasExited => _process.HasExited;

    /// <summary>Standard output so far.</summary>
    public string Output
    {
        get
        {
            lock (_output)
            {
                return _output.ToString();
            }
        }
    }

    public static ChildProcess Start(params string[] arguments) => new("dotnet", [Dll, .. arguments]);

    /// <summary>Starts the command through a shell that prepares its surroundings first.</summary>
    public static ChildProcess StartAfter(string preparation, params string[] arguments) =>
        new("bash", ["-c", $"{preparation}; exec dotnet \"$@\"", "bash", Dll, .. arguments]);

    public static CommandRun Run(params string[] arguments)
    {
        using ChildProcess process = Start(arguments);
        return process.Wait();
    }

    /// <summary>Waits until standard output holds a text.</summary>
    public void WaitFor(string text) => WaitUntil(() => Output.Contains(text, StringComparison.Ordinal));

    /// <summary>Looks at the world again and again until something is so, or the process has ended.</summary>
    public void WaitUntil(Func<bool> isSo)
    {
        var watch = Stopwatch.StartNew();
        while (!isSo() && !HasExited)
        {
            Assert.True(watch.Elapsed < Patience, "The process does not do what the test waits for.");
            Thread.Sleep(1);
        }
    }

    public void Signal(string name)
    {
        using Process kill = Process.Start("kill", ["-s", name, $"{_process.Id}"]);
        kill.WaitForExit();
    }

    public void Kill()
    {
        _process.Kill();
        _process.WaitForExit();
    }

    public CommandRun Wait()
    {
        if (!_process.WaitForExit(Patience))
        {
            _process.Kill(entireProcessTree: true);
            Assert.Fail("The process does not end.");
        }

        _reading.Wait();
        return new CommandRun(_process.ExitCode, _output.ToString(), _error.Result);
    }

    public void Dispose()
    {
        if (!HasExited)
        {
            _process.Kill(entireProcessTree: true);
        }

        _process.Dispose();
    }

    private void ReadOutput()
    {
        while (_process.StandardOutput.ReadLine() is { } line)
        {
            lock (_output)
            {
                _output.Append(line).Append('\n');
            }
        }
    }
}
