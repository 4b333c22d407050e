using System.Globalization;
using System.Text;

namespace DynConv.Training.Runs;

/// <summary>What all pictures have in common.</summary>
internal static class ChartStyle
{
    public static IReadOnlyList<string> Colors { get; } = ["#2a78c2", "#d9622b", "#2f9e5b", "#8a5bc7", "#b8860b", "#c2417c"];

    /// <summary>Opens an SVG that is readable on light and dark pages.</summary>
    public static void Begin(StringBuilder svg, double width, double height) => svg.Append(CultureInfo.InvariantCulture, $"""
        <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="system-ui, sans-serif" font-size="13">
        <style>
        .paper {"{"} fill: #ffffff {"}"} text {"{"} fill: #24292f {"}"} .grid {"{"} stroke: #d8dee4 {"}"}
        @media (prefers-color-scheme: dark) {"{"} .paper {"{"} fill: #0d1117 {"}"} text {"{"} fill: #e6edf3 {"}"} .grid {"{"} stroke: #30363d {"}"} {"}"}
        </style>
        <rect class="paper" width="{width}" height="{height}"/>

        """);

    public static string Escape(string text) => System.Security.SecurityElement.Escape(text);
}
