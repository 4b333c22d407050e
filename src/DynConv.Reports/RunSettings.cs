using System.Text.Json;
using System.Text.Json.Nodes;
using DynConv.Models;
using DynConv.Models.Layers;
using DynConv.Training;

namespace DynConv.Reports;

/// <summary>A run's configuration as the page shows it.</summary>
/// <param name="Values">Settings by name, those of the model's shape as <c>model.layers</c>.</param>
/// <param name="Steps">Steps of the whole run; null if not known.</param>
internal sealed record RunSettings(IReadOnlyDictionary<string, string> Values, long? Steps)
{
    private static readonly JsonSerializerOptions SnakeCase = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    /// <summary>Without a file.</summary>
    public static RunSettings None { get; } = new(new Dictionary<string, string>(), null);

    /// <exception cref="DynConvException">The file is no configuration.</exception>
    public static RunSettings Read(string folder)
    {
        string path = Path.Combine(folder, RunFile.Name);
        if (FileKind.Obstacle(path) is { } obstacle)
        {
            throw new DynConvException(obstacle);
        }

        if (!File.Exists(path))
        {
            return None;
        }

        TrainingConfiguration configuration = RunFile.Read(path);
        var values = new Dictionary<string, string>();
        Flatten(JsonSerializer.SerializeToNode(configuration, SnakeCase)!.AsObject(), "", values);
        return new RunSettings(values, configuration.Steps);
    }

    /// <summary>Parameters of a finished run's model; null while there is none.</summary>
    public static long? Parameters(string folder, MixerKinds? mixers)
    {
        try
        {
            string path = Path.Combine(folder, ModelFolder.ConfigurationFileName);
            return File.Exists(path) && FileKind.Obstacle(path) is null
                ? ParameterCounts.Of(ConfigurationFile.Read(path, mixers)).Total
                : null;
        }
        catch (DynConvException)
        {
            return null; // The figures of the run are worth showing without this one.
        }
    }

    private static void Flatten(JsonObject from, string prefix, Dictionary<string, string> values)
    {
        foreach ((string name, JsonNode? value) in from)
        {
            if (value is JsonObject inner)
            {
                Flatten(inner, $"{prefix}{name}.", values);
            }
            else if (value is not null)
            {
                values[prefix + name] = value is JsonArray list ? string.Join(", ", list.Select(item => item is JsonObject section ? section.ToJsonString() : $"{item}")) : $"{value}";
            }
        }
    }
}
