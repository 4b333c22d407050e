using System.Text;

namespace DynConv.Cli.Display;

/// <summary>Makes model output safe to print: a terminal obeys control characters.</summary>
internal static class Printable
{
    private const char Replacement = '\uFFFD';

    /// <summary>Keeps line breaks and tabs.</summary>
    public static string Text(string text) =>
        text.All(static c => Character(c) == c) ? text : string.Concat(text.Select(Character));

    /// <summary>The character, or U+FFFD for one that a terminal would obey.</summary>
    public static char Character(char c) => char.IsControl(c) && c is not ('\n' or '\t') ? Replacement : c;

    /// <summary>Keeps line breaks and tabs.</summary>
    public static string Text(ReadOnlySpan<byte> utf8) => Text(Encoding.UTF8.GetString(utf8));

    /// <summary>On one line.</summary>
    public static string Line(ReadOnlySpan<byte> utf8) =>
        Text(utf8).Replace("\n", "\\n", StringComparison.Ordinal).Replace("\t", "\\t", StringComparison.Ordinal);
}
