using System.Globalization;
using System.Text;

namespace DynConv.Training.Runs;

/// <summary>Draws loss curves as an SVG that is readable on light and dark pages.</summary>
public static class LossChart
{
    /// <summary>The unit of losses as they are measured.</summary>
    public const string NatsPerToken = "loss (nats a token)";

    private const double Width = 760;
    private const double Height = 420;
    private const double Left = 64;
    private const double Right = 24;
    private const double Top = 48;
    private const double Bottom = 56;

    /// <summary>Draws curves over steps.</summary>
    /// <param name="title">Stands above.</param>
    /// <param name="curves">Each has at least one point; points are in order of their steps.</param>
    /// <param name="unit">What the losses are.</param>
    /// <returns>The SVG's text.</returns>
    public static string Draw(string title, IReadOnlyList<LossCurve> curves, string unit = NatsPerToken)
    {
        var points = curves.SelectMany(curve => curve.Points).ToList();
        double lastStep = points.Max(point => point.Step);
        double firstStep = FirstStep(points.Min(point => point.Step), lastStep);
        (double low, double high, double tick) = Scale(points);

        double X(double step) => Left + ((step - firstStep) / (lastStep - firstStep) * (Width - Left - Right));
        double Y(double loss) => Top + ((high - Math.Min(loss, high)) / (high - low) * (Height - Top - Bottom));

        var svg = new StringBuilder();
        ChartStyle.Begin(svg, Width, Height);
        svg.Append(CultureInfo.InvariantCulture, $"""
            <text x="{Left}" y="26" font-size="16">{ChartStyle.Escape(title)}</text>

            """);
        string labels = "0." + new string('#', Math.Max(2, 1 - (int)Math.Floor(Math.Log10(tick))));
        for (double value = low; value <= high + (tick / 2); value += tick)
        {
            svg.Append(CultureInfo.InvariantCulture, $"""
                <line class="grid" x1="{Left}" x2="{Width - Right}" y1="{Y(value):0.#}" y2="{Y(value):0.#}"/>
                <text x="{Left - 8}" y="{Y(value) + 4:0.#}" text-anchor="end">{value.ToString(labels, CultureInfo.InvariantCulture)}</text>

                """);
        }

        double stepTick = Math.Ceiling(Tick((lastStep - firstStep) / 5));
        for (double step = Math.Ceiling(firstStep / stepTick) * stepTick; step <= lastStep; step += stepTick)
        {
            svg.Append(CultureInfo.InvariantCulture, $"""
                <text x="{X(step):0.#}" y="{Height - Bottom + 20}" text-anchor="middle">{step:0}</text>

                """);
        }

        svg.Append(CultureInfo.InvariantCulture, $"""
            <text x="{(Left + Width - Right) / 2}" y="{Height - 12}" text-anchor="middle">step</text>
            <text x="18" y="{(Top + Height - Bottom) / 2}" text-anchor="middle" transform="rotate(-90 18 {(Top + Height - Bottom) / 2})">{ChartStyle.Escape(unit)}</text>

            """);
        for (int i = 0; i < curves.Count; i++)
        {
            string color = ChartStyle.Colors[i % ChartStyle.Colors.Count];
            string path = string.Join(" ", Thin(curves[i].Points).Select(
                point => string.Create(CultureInfo.InvariantCulture, $"{X(point.Step):0.##},{Y(point.Loss):0.##}")));
            double legend = Top + 14 + (i * 20);
            svg.Append(CultureInfo.InvariantCulture, $"""
                <polyline points="{path}" fill="none" stroke="{color}" stroke-width="{(curves[i].Faint ? 1 : 2.2)}" opacity="{(curves[i].Faint ? 0.55 : 1)}" stroke-linejoin="round"/>
                <line x1="{Width - 210}" x2="{Width - 186}" y1="{legend}" y2="{legend}" stroke="{color}" stroke-width="3" opacity="{(curves[i].Faint ? 0.55 : 1)}"/>
                <text x="{Width - 178}" y="{legend + 4}">{ChartStyle.Escape(curves[i].Name)}</text>

                """);
            if (!curves[i].Faint)
            {
                foreach ((double step, double loss) in curves[i].Points.Count <= 40 ? curves[i].Points : [])
                {
                    svg.Append(CultureInfo.InvariantCulture, $"""
                        <circle cx="{X(step):0.##}" cy="{Y(loss):0.##}" r="3" fill="{color}"><title>step {step:0}: {loss:0.####}</title></circle>

                        """);
                }
            }
        }

        return svg.Append("</svg>\n").ToString();
    }

    // The first steps are far above all others; the axis ends where 98 of 100 points are below.
    private static (double Low, double High, double Tick) Scale(List<(double Step, double Loss)> points)
    {
        double[] losses = [.. points.Select(point => point.Loss).Order()];
        double least = losses[0];
        double most = losses[(int)((losses.Length - 1) * 0.98)];
        double span = Math.Max(most - least, 1e-3 * Math.Max(1, Math.Abs(most)));
        double tick = Tick(span / 5);
        double low = Math.Floor(least / tick) * tick;
        double high = Math.Ceiling(most / tick) * tick;
        return (low, high > low ? high : low + tick, tick);
    }

    /// <summary>Where the axis begins: with the first step, or with 0 if that is near.</summary>
    private static double FirstStep(double least, double last) => least <= 0.1 * last || least == last ? 0 : least;

    /// <summary>The next round number.</summary>
    private static double Tick(double atLeast)
    {
        double magnitude = Math.Pow(10, Math.Floor(Math.Log10(atLeast)));
        return new[] { 1, 2, 2.5, 5, 10 }.First(factor => factor * magnitude >= atLeast) * magnitude;
    }

    // No screen shows more than a point for each of its pixels.
    private static IEnumerable<(double Step, double Loss)> Thin(IReadOnlyList<(double Step, double Loss)> points)
    {
        const int Most = 700;
        if (points.Count <= Most)
        {
            return points;
        }

        return points
            .Select((point, index) => (point, bucket: (long)index * Most / points.Count))
            .GroupBy(pair => pair.bucket, pair => pair.point)
            .Select(group => (group.Average(point => point.Step), group.Average(point => point.Loss)));
    }
}

/// <summary>One curve of a <see cref="LossChart"/>.</summary>
/// <param name="Name">Stands in the legend.</param>
/// <param name="Points">Steps and losses.</param>
/// <param name="Faint">Drawn thin: a noisy curve behind the one that counts.</param>
public sealed record LossCurve(string Name, IReadOnlyList<(double Step, double Loss)> Points, bool Faint = false);
