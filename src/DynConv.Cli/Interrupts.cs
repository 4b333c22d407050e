using System.Runtime.InteropServices;

namespace DynConv.Cli;

/// <summary>Turns the first Ctrl-C (or SIGTERM) into a request to stop; a second one ends the process at once.</summary>
internal sealed class Interrupts : IDisposable
{
    private const string ShowCursor = "\e[?25h";

    private readonly CliContext _context;
    private readonly Action _stopping;
    private readonly string _afterAbort;
    private readonly CancellationTokenSource _stop = new();
    private readonly PosixSignalRegistration _interrupt;
    private readonly PosixSignalRegistration _terminate;

    /// <param name="context">Where the second signal is reported.</param>
    /// <param name="stopping">Tells the person that the first signal was heard; called on a thread of its own.</param>
    /// <param name="afterAbort">What the report of the second signal ends with: how to go on.</param>
    public Interrupts(CliContext context, Action? stopping = null, string afterAbort = "")
    {
        _context = context;
        _stopping = stopping ?? (static () => { });
        _afterAbort = afterAbort;
        _interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Handle);
        _terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Handle);
    }

    public CancellationToken Stop => _stop.Token;

    public void Dispose()
    {
        _interrupt.Dispose();
        _terminate.Dispose();
        _stop.Dispose();
    }

    private void Handle(PosixSignalContext signal)
    {
        signal.Cancel = true;
        if (_stop.IsCancellationRequested)
        {
            Abort();
        }

        _stop.Cancel();
        _stopping();
    }

    private void Abort()
    {
        if (_context.IsInteractive)
        {
            _context.Out.WriteLine(ShowCursor);
        }

        _context.Error.WriteLine($"error: Stopped at once{_afterAbort}.");
        Environment.Exit(CommandLineApplication.Failure);
    }
}
