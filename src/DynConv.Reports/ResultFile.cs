using System.Text.Json;
using System.Text.Json.Nodes;

namespace DynConv.Reports;

/// <summary>A file of results that the page shows as it is: recall, an ablation, a scaling fit.</summary>
/// <param name="Kind">One of <see cref="Kinds"/>.</param>
/// <param name="Name">What it is called on the page.</param>
/// <param name="Content">What the file says.</param>
internal sealed record ResultFile(string Kind, string Name, JsonNode Content)
{
    /// <summary>The names of files without <c>.json</c>.</summary>
    public static IReadOnlyList<string> Kinds { get; } = ["recall", "ablation", "scaling"];

    /// <exception cref="DynConvException">The file cannot be read or is something else.</exception>
    public static ResultFile Read(string path, string name)
    {
        string kind = Path.GetFileNameWithoutExtension(path);
        try
        {
            JsonNode? content = JsonNode.Parse(File.ReadAllText(path));
            bool expected = kind == "recall" ? content is JsonArray : content is JsonObject;
            return expected
                ? new ResultFile(kind, name, content!)
                : throw new DynConvException($"{path} is not what 'dynconv {(kind == "ablation" ? "ablate" : kind)}' writes: it has to hold {(kind == "recall" ? "an array" : "an object")}.");
        }
        catch (JsonException exception)
        {
            throw new DynConvException($"{path}, line {exception.LineNumber + 1} is not JSON.", exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new DynConvException($"{path} cannot be read: {exception.Message}", exception);
        }
    }
}
