using Spectre.Console;

namespace DynConv.Cli;

/// <summary>Where a command reads and writes.</summary>
/// <param name="Out">Standard output: results.</param>
/// <param name="Error">Standard error: what went wrong, one line.</param>
/// <param name="Terminal">Draws the live display.</param>
/// <param name="IsInteractive">Whether standard output is a terminal; if not, progress is plain lines.</param>
internal sealed record CliContext(TextWriter Out, TextWriter Error, IAnsiConsole Terminal, bool IsInteractive)
{
    /// <summary>Standard input.</summary>
    public Stream Input { get; init; } = Stream.Null;
}
