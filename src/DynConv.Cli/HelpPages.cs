using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace DynConv.Cli;

/// <summary>
/// Help in two parts: a command's first paragraph, which its parent's list shows too, and what follows, notes and
/// examples, which stand at the end of its own page.
/// </summary>
internal static class HelpPages
{
    private const string EndOfParagraph = "\n\n";

    /// <summary>Parts the descriptions of all commands and has the help option show both parts.</summary>
    public static void Install(RootCommand root)
    {
        var notes = new Dictionary<Command, string>();
        MoveNotes(root, notes);
        HelpOption option = root.Options.OfType<HelpOption>().Single();
        option.Action = new Page((HelpAction)option.Action!, notes);
    }

    private static void MoveNotes(Command command, Dictionary<Command, string> notes)
    {
        string text = (command.Description ?? "").ReplaceLineEndings("\n");
        int end = text.IndexOf(EndOfParagraph, StringComparison.Ordinal);
        if (end >= 0)
        {
            command.Description = text[..end];
            notes[command] = text[end..].Trim('\n');
        }

        foreach (Command inner in command.Subcommands)
        {
            MoveNotes(inner, notes);
        }
    }

    private sealed class Page(HelpAction usual, IReadOnlyDictionary<Command, string> notes) : SynchronousCommandLineAction
    {
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            int code = usual.Invoke(parseResult);
            if (notes.TryGetValue(parseResult.CommandResult.Command, out string? text))
            {
                parseResult.InvocationConfiguration.Output.WriteLine(text);
            }

            return code;
        }
    }
}
