using System.Text;
using DynConv.Models.Layers;
using Spectre.Console.Testing;

namespace DynConv.Cli.Tests;

/// <summary>What a command left behind: its exit code and what it wrote.</summary>
/// <param name="ExitCode">0, 1 or 2; 128 and more if a signal ended it.</param>
/// <param name="Output">Standard output.</param>
/// <param name="Error">Standard error.</param>
public sealed record CommandRun(int ExitCode, string Output, string Error)
{
    /// <summary>What it wrote as bytes.</summary>
    public byte[] Bytes { get; private init; } = [];

    public string[] OutputLines => Output.TrimEnd('\n').Split('\n');

    /// <summary>Runs a command in this process, as if its output went to a file.</summary>
    public static CommandRun Of(params string[] arguments) => Of(isInteractive: false, arguments);

    /// <summary>Runs a command that knows other kinds of mixers, as if its output went to a file.</summary>
    public static CommandRun Of(MixerKinds mixers, params string[] arguments) => With([], isInteractive: false, arguments, mixers);

    /// <summary>Runs a command in this process.</summary>
    public static CommandRun Of(bool isInteractive, params string[] arguments) => With([], isInteractive, arguments);

    /// <summary>Runs a command in this process with something on standard input.</summary>
    public static CommandRun With(byte[] input, bool isInteractive, params string[] arguments) =>
        With(input, isInteractive, arguments, MixerKinds.BuiltIn);

    private static CommandRun With(byte[] input, bool isInteractive, string[] arguments, MixerKinds mixers)
    {
        using var output = new StringWriter { NewLine = "\n" };
        using var error = new StringWriter { NewLine = "\n" };
        using var terminal = new TestConsole();
        using var standardInput = new MemoryStream(input);
        using var bytes = new MemoryStream();
        var context = new CliContext(output, error, terminal, isInteractive) { Input = standardInput, Bytes = bytes, Mixers = mixers };
        int code = CommandLineApplication.Run(arguments, context);
        return new CommandRun(code, output + Encoding.UTF8.GetString(bytes.ToArray()), error.ToString()) { Bytes = bytes.ToArray() };
    }

    /// <summary>Checks that the command did its work and had nothing to complain of.</summary>
    public CommandRun Succeeded()
    {
        Assert.Equal("", Error);
        Assert.Equal(0, ExitCode);
        return this;
    }

    /// <summary>Checks that a signal ended the command, which said so in one line that is no complaint.</summary>
    public CommandRun Stopped(int exitCode, params string[] words)
    {
        Assert.Equal(exitCode, ExitCode);
        Assert.StartsWith("Stopped", Error, StringComparison.Ordinal);
        Assert.Single(Error.TrimEnd('\n').Split('\n'));
        foreach (string word in words)
        {
            Assert.Contains(word, Error, StringComparison.Ordinal);
        }

        return this;
    }

    /// <summary>Checks that the command did its work and said nothing but notes.</summary>
    public CommandRun SucceededWithNotes()
    {
        Assert.All(Error.Split('\n', StringSplitOptions.RemoveEmptyEntries), line => Assert.StartsWith("note: ", line, StringComparison.Ordinal));
        Assert.Equal(0, ExitCode);
        return this;
    }

    /// <summary>Checks the exit code and that the complaint is one line with all of some words in it.</summary>
    public CommandRun Failed(int exitCode, params string[] words)
    {
        Assert.Equal(exitCode, ExitCode);
        Assert.StartsWith("error: ", Error, StringComparison.Ordinal);
        Assert.Matches(@"(\.|\?|--resume)\n$", Error);
        Assert.Single(Error.TrimEnd('\n').Split('\n'));
        Assert.DoesNotContain("Exception", Error, StringComparison.Ordinal);
        foreach (string word in words)
        {
            Assert.Contains(word, Error, StringComparison.Ordinal);
        }

        return this;
    }
}
