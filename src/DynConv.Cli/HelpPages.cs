using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace DynConv.Cli;

/// <summary>
/// Help in two parts: a command's sentence, which its parent's list shows too, and its examples, which only its own page shows.
/// </summary>
internal static class HelpPages
{
    private const string ExampleHeading = "\n\nExample:\n";

    /// <summary>Parts the descriptions of all commands from their examples and has the help option show both.</summary>
    public static void Install(RootCommand root)
    {
        var examples = new Dictionary<Command, string>();
        MoveExamples(root, examples);
        HelpOption option = root.Options.OfType<HelpOption>().Single();
        option.Action = new Page((HelpAction)option.Action!, examples);
    }

    private static void MoveExamples(Command command, Dictionary<Command, string> examples)
    {
        string text = (command.Description ?? "").ReplaceLineEndings("\n");
        int heading = text.IndexOf(ExampleHeading, StringComparison.Ordinal);
        if (heading >= 0)
        {
            command.Description = text[..heading];
            examples[command] = text[heading..].Trim('\n');
        }

        foreach (Command inner in command.Subcommands)
        {
            MoveExamples(inner, examples);
        }
    }

    private sealed class Page(HelpAction usual, IReadOnlyDictionary<Command, string> examples) : SynchronousCommandLineAction
    {
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            int code = usual.Invoke(parseResult);
            if (examples.TryGetValue(parseResult.CommandResult.Command, out string? text))
            {
                parseResult.InvocationConfiguration.Output.WriteLine(text);
            }

            return code;
        }
    }
}
