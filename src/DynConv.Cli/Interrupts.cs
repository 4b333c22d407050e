using System.Runtime.InteropServices;

namespace DynConv.Cli;

/// <summary>
/// Turns the first Ctrl-C, SIGTERM or SIGHUP into a request to stop; a second one ends the process at once. Either way
/// the exit code is the one that shells give to a process that a signal has ended, 128 and the signal's number.
/// </summary>
internal sealed class Interrupts : IDisposable
{
    private const string ShowCursor = "\e[?25h";
    private const int SignalBase = 128;
    private const int InterruptNumber = 2;

    private static readonly (PosixSignal Signal, int Number)[] Signals =
        [(PosixSignal.SIGINT, InterruptNumber), (PosixSignal.SIGTERM, 15), (PosixSignal.SIGHUP, 1)];

    private static int _listening;

    private readonly CliContext _context;
    private readonly Action _stopping;
    private readonly string _afterAbort;
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _ending = new();
    private readonly PosixSignalRegistration[] _registrations;

    /// <param name="context">Where the second signal is reported.</param>
    /// <param name="stopping">Tells the person that the first signal was heard; called on a thread of its own.</param>
    /// <param name="afterAbort">What the report of the second signal ends with: how to go on.</param>
    public Interrupts(CliContext context, Action? stopping = null, string afterAbort = "")
    {
        _context = context;
        _stopping = stopping ?? (static () => { });
        _afterAbort = afterAbort;
        _registrations = [.. Signals.Select(one => PosixSignalRegistration.Create(one.Signal, Handle))];
        Interlocked.Increment(ref _listening);
    }

    /// <summary>Exit code of a command that a signal has asked to stop; that of Ctrl-C if there was none.</summary>
    public static int ExitCode { get; private set; } = SignalBase + InterruptNumber;

    public CancellationToken Stop => _stop.Token;

    /// <summary>As long as no command listens, a signal ends the process with a line that says so.</summary>
    public static IDisposable EndingAtOnce(CliContext context)
    {
        var registrations = new Registrations([.. Signals.Select(one => PosixSignalRegistration.Create(one.Signal, signal =>
        {
            if (Volatile.Read(ref _listening) == 0)
            {
                signal.Cancel = true;
                ExitCode = SignalBase + one.Number;
                context.Error.WriteLine("Stopped.");
                Environment.Exit(ExitCode);
            }
        }))]);
        return registrations;
    }

    public void Dispose()
    {
        // A process that is being ended has had its last word.
        lock (_ending)
        {
        }

        Interlocked.Decrement(ref _listening);
        Array.ForEach(_registrations, registration => registration.Dispose());
        _stop.Dispose();
    }

    private void Handle(PosixSignalContext signal)
    {
        signal.Cancel = true;
        ExitCode = SignalBase + Array.Find(Signals, one => one.Signal == signal.Signal).Number;
        if (_stop.IsCancellationRequested)
        {
            Abort();
        }

        try
        {
            _stop.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // The command has come to its end in this moment.
            return;
        }

        _stopping();
    }

    private void Abort()
    {
        lock (_ending)
        {
            if (_context.IsInteractive)
            {
                _context.Screen.WriteLine(ShowCursor);
            }

            _context.Error.WriteLine($"Stopped at once{_afterAbort}.");
            Environment.Exit(ExitCode);
        }
    }

    private sealed class Registrations(PosixSignalRegistration[] registrations) : IDisposable
    {
        public void Dispose() => Array.ForEach(registrations, registration => registration.Dispose());
    }
}
