using DynConv.Cli.Display;
using DynConv.Models.Layers;
using Spectre.Console;

namespace DynConv.Cli;

/// <summary>Where a command reads and writes, and what it knows.</summary>
/// <param name="Out">Standard output: results.</param>
/// <param name="Error">Standard error: what went wrong, one line; notes.</param>
/// <param name="Terminal">Draws the live display.</param>
/// <param name="IsInteractive">Whether standard output is a terminal; if not, progress is plain lines.</param>
internal sealed record CliContext(TextWriter Out, TextWriter Error, IAnsiConsole Terminal, bool IsInteractive)
{
    /// <summary>The kinds of mixers that files and options can name.</summary>
    public MixerKinds Mixers { get; init; } = MixerKinds.BuiltIn;

    /// <summary>Standard input.</summary>
    public Stream Input { get; init; } = Stream.Null;

    /// <summary>Standard output where it is no terminal, for bytes that need not be text.</summary>
    public Stream Bytes { get; init; } = Stream.Null;

    /// <summary>Whether standard error is a terminal.</summary>
    public bool IsErrorInteractive { get; init; } = IsInteractive;

    /// <summary>The terminal itself, for those who mean its control sequences.</summary>
    public TextWriter Screen { get; private init; } = Out;

    /// <summary>
    /// The same, but what names, files and models bring along as control characters does not reach a terminal. A file or
    /// another program gets all as it is.
    /// </summary>
    public CliContext WithSafeTerminal() => this with
    {
        Out = IsInteractive ? new PrintableWriter(Out) : Out,
        Error = IsErrorInteractive ? new PrintableWriter(Error) : Error,
    };
}
