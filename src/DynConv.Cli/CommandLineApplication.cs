using System.CommandLine;
using System.CommandLine.Parsing;
using DynConv.Cli.Commands;

namespace DynConv.Cli;

/// <summary>The <c>dynconv</c> command: finds the subcommand, and turns every failure into one line and an exit code.</summary>
internal static class CommandLineApplication
{
    public const int Success = 0;
    public const int Failure = 1;
    public const int WrongUsage = 2;

    private const string Help = """
        Trains and runs language models with dynamic short convolutions.

        Example:
          dynconv train --data src docs --out runs/first
          dynconv generate --model runs/first --prompt "public static"
          dynconv train --help
        """;

    /// <summary>Environment variable that adds stack traces to errors, for people who work on this code.</summary>
    private const string DebugVariable = "DYNCONV_DEBUG";

    // A prompt may begin with @: no argument is the name of a file with more arguments.
    private static readonly ParserConfiguration Parsing = new() { ResponseFileTokenReplacer = null };

    public static int Run(string[] args, CliContext context)
    {
        context = context.WithSafeTerminal();
        ParseResult parsed = Root(context).Parse(args, Parsing);
        if (parsed.Errors.Count > 0)
        {
            return RefuseUsage(parsed, context);
        }

        if (EmptyOption(parsed.CommandResult) is { } empty)
        {
            return RefuseUsage(parsed, $"{empty} is empty.", context.Error);
        }

        try
        {
            return parsed.Invoke(Invocation(context));
        }
        catch (UsageException exception)
        {
            return RefuseUsage(parsed, exception.Message, context.Error);
        }
        catch (Exception exception)
        {
            return Report(exception, context.Error);
        }
    }

    /// <summary>
    /// An option or argument that is there and says nothing, as a shell makes of a variable that is not set; a text may be so.
    /// </summary>
    private static string? EmptyOption(CommandResult command) => command.Children
        .Where(static child => child.Tokens.Any(static token => string.IsNullOrWhiteSpace(token.Value)))
        .Select(static child => child switch
        {
            OptionResult { Option: { Name: not ("--prompt" or "--stop" or "--title") } option } => option.Name,
            ArgumentResult argument => argument.Argument.Name,
            _ => null,
        })
        .FirstOrDefault(static name => name is not null);

    private static RootCommand Root(CliContext context)
    {
        var root = new RootCommand(Help)
        {
            TrainCommand.Create(context),
            EvalCommand.Create(context),
            GenerateCommand.Create(context),
            TokenizerCommand.Create(context),
            RecallCommand.Create(context),
            AblateCommand.Create(context),
            ScalingCommand.Create(context),
            PlotCommand.Create(context),
            ReportCommand.Create(context),
            WatchCommand.Create(context),
            ParamsCommand.Create(context),
            VerifyCommand.Create(context),
            BenchCommand.Create(context),
            InfoCommand.Create(context),
        };
        HelpPages.Install(root);
        return root;
    }

    private static InvocationConfiguration Invocation(CliContext context) => new()
    {
        Output = context.Out,
        Error = context.Error,
        EnableDefaultExceptionHandler = false,
        ProcessTerminationTimeout = null,
    };

    private static int RefuseUsage(ParseResult parsed, CliContext context)
    {
        Command command = parsed.CommandResult.Command;
        if (command.Subcommands.Count == 0)
        {
            return RefuseUsage(parsed, parsed.Errors[0].Message, context.Error);
        }

        if (parsed.UnmatchedTokens is [string unknown, ..])
        {
            string kind = unknown.StartsWith('-') ? "an option here" : "a command";
            return RefuseUsage(parsed, $"'{unknown}' is not {kind}; the commands are {Names(command)}.", context.Error);
        }

        // Whoever types the name alone wants to know what there is.
        Root(context).Parse([.. CommandPath(parsed.CommandResult).Skip(1), "--help"]).Invoke(Invocation(context));
        return RefuseUsage(parsed, $"A command is missing: {Names(command)}.", context.Error);
    }

    private static int RefuseUsage(ParseResult parsed, string problem, TextWriter error)
    {
        error.WriteLine($"error: {DynConvException.OneLine(problem)} See '{string.Join(' ', CommandPath(parsed.CommandResult))} --help'.");
        return WrongUsage;
    }

    private static int Report(Exception exception, TextWriter error)
    {
        if (exception is OperationCanceledException)
        {
            error.WriteLine("Stopped.");
            return Interrupts.ExitCode;
        }

        string message = exception switch
        {
            DynConvException or TensorException or IOException or UnauthorizedAccessException => exception.Message,
            _ => $"{exception.GetType().Name}: {exception.Message} (set {DebugVariable}=1 to see where)",
        };
        error.WriteLine($"error: {DynConvException.OneLine(message)}");
        if (Environment.GetEnvironmentVariable(DebugVariable) == "1")
        {
            error.WriteLine(exception);
        }

        return Failure;
    }

    private static string Names(Command command) => string.Join(", ", command.Subcommands.Select(inner => inner.Name));

    private static List<string> CommandPath(CommandResult result)
    {
        var names = new List<string>();
        for (SymbolResult? at = result; at is CommandResult command; at = at.Parent)
        {
            names.Insert(0, command.Command is RootCommand ? "dynconv" : command.Command.Name);
        }

        return names;
    }
}
