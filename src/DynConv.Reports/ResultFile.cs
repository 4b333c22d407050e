using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace DynConv.Reports;

/// <summary>A file of results that the page shows as it is: recall, an ablation, a scaling fit.</summary>
/// <param name="Kind">One of <see cref="Kinds"/>.</param>
/// <param name="Name">What it is called on the page.</param>
/// <param name="Content">What the file says; null if it cannot be shown.</param>
/// <param name="Problem">Why it cannot be shown, in a sentence that stands in its place; null if it can.</param>
internal sealed partial record ResultFile(string Kind, string Name, JsonNode? Content, string? Problem)
{
    private const long MostBytes = 64 << 20;

    /// <summary>The names of files without <c>.json</c>.</summary>
    public static IReadOnlyList<string> Kinds { get; } = ["recall", "ablation", "scaling"];

    /// <summary>Lists whose items have to be objects; a dot leads into the items of a list, and $ is the file itself.</summary>
    private static readonly Dictionary<string, string[]> Lists = new()
    {
        ["recall"] = ["$", "$.curve"],
        ["ablation"] = ["rows", "rows.seeds"],
        ["scaling"] = ["architectures", "architectures.points", "architectures.band", "advantage"],
    };

    /// <summary>Reads a file; whatever is in it, there is something to put in its place.</summary>
    public static ResultFile Read(string path, string name)
    {
        string kind = Path.GetFileNameWithoutExtension(path);
        try
        {
            JsonNode content = Parse(path, kind);
            foreach (string list in Lists[kind])
            {
                CheckList(path, content, list.Split('.'), "");
            }

            return new ResultFile(kind, name, content, null);
        }
        catch (DynConvException exception)
        {
            return new ResultFile(kind, name, null, exception.Message);
        }
    }

    private static JsonNode Parse(string path, string kind)
    {
        if (FileKind.Obstacle(path) is { } obstacle)
        {
            throw new DynConvException(obstacle);
        }

        try
        {
            if (new FileInfo(path).Length > MostBytes)
            {
                throw new DynConvException($"{path} is larger than {MostBytes >> 20} MiB, and no file of results is.");
            }

            string text = SurrogateEscapes().Replace(File.ReadAllText(path), static escape => escape.Groups["half"].Success ? "\\ufffd" : escape.Value);
            JsonNode? content = JsonNode.Parse(text, documentOptions: new JsonDocumentOptions { AllowDuplicateProperties = false });
            bool expected = kind == "recall" ? content is JsonArray : content is JsonObject;
            return expected
                ? content!
                : throw new DynConvException($"{path} is not what 'dynconv {(kind == "ablation" ? "ablate" : kind)}' writes: it has to hold {(kind == "recall" ? "an array" : "an object")}.");
        }
        catch (JsonException exception)
        {
            throw new DynConvException($"{path}, line {(exception.LineNumber ?? 0) + 1} is not JSON.", exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new DynConvException($"{path} cannot be read: {exception.Message}", exception);
        }
    }

    // JSON may have half of a surrogate pair as an escape, which no text can hold.
    [GeneratedRegex(@"\\(u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", RegexOptions.Singleline)]
    private static partial Regex SurrogateEscapes();

    private static void CheckList(string path, JsonNode content, ReadOnlySpan<string> names, string place)
    {
        JsonNode? list = names[0] == "$" ? content : content[names[0]];
        string here = place.Length == 0 ? names[0] : $"{place}.{names[0]}";
        if (list is null)
        {
            return; // Nothing of the kind to show.
        }

        JsonArray items = list as JsonArray ?? throw new DynConvException($"{path}: {here} is no list.");
        for (int i = 0; i < items.Count; i++)
        {
            JsonObject item = items[i] as JsonObject
                ?? throw new DynConvException($"{path}: {here}[{i}] is {(items[i] is null ? "null" : "no object")}, where an object belongs.");
            if (names.Length > 1)
            {
                CheckList(path, item, names[1..], $"{here}[{i}]");
            }
        }
    }
}
