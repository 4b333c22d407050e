using System.Globalization;
using System.Text;
using DynConv.Training.Runs;

namespace DynConv.Experiments.Recall;

/// <summary>Draws accuracy against the number of pairs, a panel for each task, as an SVG for light and dark pages.</summary>
public static class RecallChart
{
    private const double PanelWidth = 370;
    private const double PanelHeight = 260;
    private const double Left = 48;
    private const double Right = 14;
    private const double Top = 34;
    private const double Bottom = 44;
    private const double Heading = 64;
    private const int Columns = 2;

    /// <summary>Draws the medians, and a bar from the lowest to the highest seed at each.</summary>
    /// <param name="results">At least one.</param>
    /// <returns>The SVG's text.</returns>
    public static string Draw(IReadOnlyList<RecallResult> results)
    {
        int columns = Math.Min(Columns, results.Count);
        int rows = (results.Count + columns - 1) / columns;
        var svg = new StringBuilder();
        ChartStyle.Begin(svg, columns * PanelWidth, Heading + (rows * PanelHeight));
        svg.Append(CultureInfo.InvariantCulture, $"""<text x="{Left}" y="26" font-size="16">Accuracy of associative recall</text>""").Append('\n');
        string[] kinds = [.. results.SelectMany(result => result.Settings.Convolutions).Distinct()];
        for (int i = 0; i < kinds.Length; i++)
        {
            double x = Left + (i * 100);
            svg.Append(CultureInfo.InvariantCulture, $"""
                <line x1="{x}" x2="{x + 20}" y1="46" y2="46" stroke="{Color(kinds[i])}" stroke-width="3"/>
                <text x="{x + 25}" y="50">{kinds[i]}</text>

                """);
        }

        for (int i = 0; i < results.Count; i++)
        {
            Panel(svg, results[i], i % columns * PanelWidth, Heading + (i / columns * PanelHeight));
        }

        return svg.Append("</svg>\n").ToString();
    }

    private static void Panel(StringBuilder svg, RecallResult result, double left, double top)
    {
        int[] pairs = [.. result.Settings.Pairs.Order()];

        // Numbers of pairs are most often doubled: each has the same room.
        double X(int index) => left + Left + ((index + 0.5) / pairs.Length * (PanelWidth - Left - Right));
        double Y(double accuracy) => top + Top + ((1 - accuracy) * (PanelHeight - Top - Bottom));

        svg.Append(CultureInfo.InvariantCulture, $"""<text x="{left + Left}" y="{top + 20}" font-weight="600">{ChartStyle.Escape(result.Task.Name)}</text>""").Append('\n');
        for (int percent = 0; percent <= 100; percent += 25)
        {
            svg.Append(CultureInfo.InvariantCulture, $"""
                <line class="grid" x1="{left + Left}" x2="{left + PanelWidth - Right}" y1="{Y(percent / 100.0):0.#}" y2="{Y(percent / 100.0):0.#}"/>
                <text x="{left + Left - 6}" y="{Y(percent / 100.0) + 4:0.#}" text-anchor="end">{percent} %</text>

                """);
        }

        for (int i = 0; i < pairs.Length; i++)
        {
            svg.Append(CultureInfo.InvariantCulture, $"""<text x="{X(i):0.#}" y="{top + PanelHeight - Bottom + 18}" text-anchor="middle">{pairs[i]}{(i == 0 ? " pairs" : "")}</text>""").Append('\n');
        }

        for (int kind = 0; kind < result.Settings.Convolutions.Count; kind++)
        {
            string conv = result.Settings.Convolutions[kind];

            // Beside each other, so that a kind does not hide another with the same accuracy.
            double shift = (kind - ((result.Settings.Convolutions.Count - 1) / 2.0)) * 5;
            RecallSpread[] spreads = [.. pairs.Select(count => result.Accuracy(conv, count))];
            string points = string.Join(' ', spreads.Select((spread, i) => string.Create(CultureInfo.InvariantCulture, $"{X(i) + shift:0.#},{Y(spread.Median):0.#}")));
            svg.Append(CultureInfo.InvariantCulture, $"""<polyline points="{points}" fill="none" stroke="{Color(conv)}" stroke-width="2"/>""").Append('\n');
            for (int i = 0; i < pairs.Length; i++)
            {
                RecallSpread spread = spreads[i];
                svg.Append(CultureInfo.InvariantCulture, $"""
                    <line x1="{X(i) + shift:0.#}" x2="{X(i) + shift:0.#}" y1="{Y(spread.Least):0.#}" y2="{Y(spread.Most):0.#}" stroke="{Color(conv)}" stroke-width="2" opacity="0.5"/>
                    <circle cx="{X(i) + shift:0.#}" cy="{Y(spread.Median):0.#}" r="3.5" fill="{Color(conv)}"><title>{conv}, {pairs[i]} pairs: {100 * spread.Median:0.0} % ({100 * spread.Least:0.0} to {100 * spread.Most:0.0})</title></circle>

                    """);
            }
        }
    }

    private static string Color(string conv) => ChartStyle.Colors[Math.Max(0, RecallSettings.Kinds.ToList().IndexOf(conv))];
}
