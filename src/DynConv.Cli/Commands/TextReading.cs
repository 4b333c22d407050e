using System.CommandLine;
using DynConv.Training.Data;

namespace DynConv.Cli.Commands;

/// <summary>The options that say how files of text are read, of commands without settings.</summary>
internal sealed class TextReading
{
    public const string FormatHelp = "How all files are laid out. Default auto: each shows it by its content.";
    public const string FieldHelp = "The field of JSON objects, or the column of Parquet, that holds the text; a.b is b in a. Default text.";
    public const string SkipHelp = "Leave out and count lines, elements and rows without usable text; otherwise the first is an error.";

    private readonly Option<string> _format = CommonOptions.Choice("--format", FormatHelp, [.. TextFormats.Names]);
    private readonly Option<string?> _field = new("--text-field") { Description = FieldHelp, HelpName = "NAME" };
    private readonly Option<bool> _skip = new("--skip-bad-lines") { Description = SkipHelp };

    public void AddTo(Command command)
    {
        command.Add(_format);
        command.Add(_field);
        command.Add(_skip);
    }

    public TextOptions Read(ParseResult parsed) => new()
    {
        Format = parsed.GetValue(_format) is { } format ? TextFormats.Parse(format) : TextFormat.Auto,
        TextField = parsed.GetValue(_field) ?? TextOptions.DefaultTextField,
        SkipBadLines = parsed.GetValue(_skip),
    };
}
