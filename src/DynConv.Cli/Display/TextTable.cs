namespace DynConv.Cli.Display;

/// <summary>Rows of text in columns as wide as they need to be: a Markdown table that reads well as it is.</summary>
internal sealed class TextTable
{
    private readonly List<string[]> _rows = [];

    /// <summary>Adds a row; the first one is the head, and the first column is a name.</summary>
    public void Add(string[] cells) => _rows.Add(cells);

    public void Write(TextWriter output)
    {
        int[] widths = [.. Enumerable.Range(0, _rows[0].Length).Select(column => _rows.Max(row => row[column].Length))];
        for (int i = 0; i < _rows.Count; i++)
        {
            output.WriteLine($"| {string.Join(" | ", _rows[i].Select((cell, column) => Pad(cell, column, widths)))} |");
            if (i == 0)
            {
                output.WriteLine($"| {string.Join(" | ", widths.Select((width, column) => Rule(column, width)))} |");
            }
        }
    }

    private static string Pad(string cell, int column, int[] widths) =>
        column == 0 ? cell.PadRight(widths[column]) : cell.PadLeft(widths[column]);

    private static string Rule(int column, int width) =>
        column == 0 ? new string('-', width) : new string('-', Math.Max(1, width - 1)) + ":";
}
