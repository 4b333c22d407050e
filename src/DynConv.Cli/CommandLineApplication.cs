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

    /// <summary>Environment variable that adds stack traces to errors, for people who work on this code.</summary>
    private const string DebugVariable = "DYNCONV_DEBUG";

    public static int Run(string[] args, CliContext context)
    {
        RootCommand root = Root(context);
        ParseResult parsed = root.Parse(args);
        if (parsed.Errors.Count > 0 && parsed.Action is not System.CommandLine.Help.HelpAction)
        {
            string path = CommandPath(parsed.CommandResult);
            context.Error.WriteLine($"error: {parsed.Errors[0].Message.ReplaceLineEndings(" ")} See '{path} --help'.");
            return WrongUsage;
        }

        try
        {
            return parsed.Invoke(new InvocationConfiguration
            {
                Output = context.Out,
                Error = context.Error,
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null,
            });
        }
        catch (Exception exception)
        {
            return Report(exception, context.Error);
        }
    }

    private static RootCommand Root(CliContext context) => new("Trains and runs language models with dynamic short convolutions.")
    {
        TrainCommand.Create(context),
        EvalCommand.Create(context),
        GenerateCommand.Create(context),
        TokenizerCommand.Create(context),
        ParamsCommand.Create(context),
        VerifyCommand.Create(context),
        BenchCommand.Create(context),
        InfoCommand.Create(context),
    };

    private static int Report(Exception exception, TextWriter error)
    {
        string message = exception is DynConvException or IOException or UnauthorizedAccessException
            ? exception.Message
            : $"{exception.GetType().Name}: {exception.Message} (set {DebugVariable}=1 to see where)";
        error.WriteLine($"error: {message.ReplaceLineEndings(" ")}");
        if (Environment.GetEnvironmentVariable(DebugVariable) == "1")
        {
            error.WriteLine(exception);
        }

        return Failure;
    }

    private static string CommandPath(CommandResult result)
    {
        var names = new List<string>();
        for (SymbolResult? at = result; at is CommandResult command; at = at.Parent)
        {
            names.Insert(0, command.Command is RootCommand ? "dynconv" : command.Command.Name);
        }

        return string.Join(' ', names);
    }
}
