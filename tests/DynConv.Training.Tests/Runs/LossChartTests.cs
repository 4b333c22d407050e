using System.Diagnostics;
using System.Globalization;
using System.Xml.Linq;
using DynConv.Training.Runs;

namespace DynConv.Training.Tests.Runs;

public sealed class LossChartTests
{
    private static readonly XNamespace Svg = "http://www.w3.org/2000/svg";

    public static TheoryData<double[]> Curves => new()
    {
        { [3.5] },
        { [0] },
        { [2, 2, 2] },
        { [1e-9, 2e-9] },
        { [1e9, 3, 2, 1] },
        { [-1, 0, 1] },
        { [5.5, 4.1, 3.9, 3.2, 3.1, 3.0] },
    };

    [Theory]
    [MemberData(nameof(Curves))]
    public void Any_curve_gives_a_picture_with_all_of_it_inside(double[] losses)
    {
        LossCurve[] curves = [new("training", Points(losses), Faint: true), new("validation", Points(losses))];

        XElement svg = XDocument.Parse(LossChart.Draw("title", curves)).Root!;

        Assert.Equal(2, svg.Elements(Svg + "polyline").Count());
        Assert.Equal(losses.Length, svg.Elements(Svg + "circle").Count());
        Assert.All(svg.Elements(Svg + "polyline").SelectMany(Coordinates), point =>
        {
            Assert.InRange(point.X, 0, 760);
            Assert.InRange(point.Y, 0, 420);
        });
        Assert.InRange(svg.Elements(Svg + "line").Count(), 3, 20);
    }

    [Fact]
    public void A_falling_loss_goes_down_to_the_right()
    {
        XElement svg = XDocument.Parse(LossChart.Draw("t", [new LossCurve("a", Points([4, 3, 2, 1]))])).Root!;
        (double X, double Y)[] points = [.. Coordinates(svg.Elements(Svg + "polyline").Single())];

        Assert.Equal(4, points.Length);
        Assert.Equal(points.OrderBy(point => point.X), points);
        Assert.Equal(points.OrderBy(point => point.Y), points);
    }

    [Fact]
    public void Long_curves_are_thinned_at_once_and_keep_their_ends()
    {
        double[] losses = [.. Enumerable.Range(1, 100_000).Select(step => 2 + (1000.0 / (step + 300)))];
        var watch = Stopwatch.StartNew();

        string text = LossChart.Draw("t", [new LossCurve("a", Points(losses), Faint: true)]);

        Assert.InRange(watch.Elapsed.TotalSeconds, 0, 2);
        Assert.InRange(text.Length, 1000, 30_000);
        (double X, double Y)[] points = [.. Coordinates(XDocument.Parse(text).Root!.Elements(Svg + "polyline").Single())];
        Assert.InRange(points.Length, 300, 700);
        Assert.Equal(64, points[0].X, 1.0);
        Assert.Equal(736, points[^1].X, 1.0);
        Assert.Equal(points.OrderBy(point => point.Y), points);
    }

    [Fact]
    public void Titles_may_hold_any_sign()
    {
        XElement svg = XDocument.Parse(LossChart.Draw("a < b & \"c\"", [new LossCurve("<x>", Points([1]))])).Root!;

        Assert.Contains(svg.Elements(Svg + "text"), text => text.Value == "a < b & \"c\"");
        Assert.Contains(svg.Elements(Svg + "text"), text => text.Value == "<x>");
    }

    [Fact]
    public void The_steps_under_the_axis_are_all_different()
    {
        XElement svg = XDocument.Parse(LossChart.Draw("t", [new LossCurve("a", Points([3, 2]))])).Root!;
        string[] steps = [.. svg.Elements(Svg + "text").Where(text => (string?)text.Attribute("y") == "384").Select(text => text.Value)];

        Assert.Equal(["1", "2"], steps);
    }

    private static (double Step, double Loss)[] Points(double[] losses) => [.. losses.Select((loss, index) => (index + 1.0, loss))];

    private static IEnumerable<(double X, double Y)> Coordinates(XElement polyline) =>
        polyline.Attribute("points")!.Value.Split(' ').Select(pair => pair.Split(',')).Select(
            pair => (double.Parse(pair[0], CultureInfo.InvariantCulture), double.Parse(pair[1], CultureInfo.InvariantCulture)));
}
