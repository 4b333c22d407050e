using System.Buffers;
using System.Text;
using System.Text.Json;

namespace DynConv.Reports;

/// <summary>The page: one HTML file with its script, its style and, unless it is served live, its figures inside.</summary>
public static class ReportPage
{
    private const string Script = "report.js";
    private const string Style = "report.css";

    /// <summary>The page with all figures of a report; it needs no network.</summary>
    /// <param name="report">What to show.</param>
    /// <exception cref="DynConvException">The program was built without the page.</exception>
    public static string Make(Report report)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            report.Write(json);
        }

        return Make($"<script type=\"application/json\" id=\"data\">{Encoding.UTF8.GetString(buffer.WrittenSpan)}</script>\n");
    }

    /// <summary>The page without figures: it asks the server that it came from for them.</summary>
    /// <exception cref="DynConvException">The program was built without the page.</exception>
    internal static string MakeLive() => Make("");

    private static string Make(string data) => $"""
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; img-src data:">
        <link rel="icon" href="data:,">
        <title>DynConv report</title>
        <style>{Asset(Style)}</style>
        </head>
        <body>
        <noscript>This page draws its charts with JavaScript.</noscript>
        {data}<script>{Asset(Script)}</script>
        </body>
        </html>

        """;

    private static string Asset(string name)
    {
        using Stream stream = typeof(ReportPage).Assembly.GetManifestResourceStream(name) ?? throw new DynConvException(
            "This build of dynconv has no report page: install Node.js 18 or newer with npm (apt install nodejs npm) and build again.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
