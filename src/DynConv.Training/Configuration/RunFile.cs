using System.Text.Json.Nodes;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;
using YamlDotNet.Serialization;
using YamlDotNet.Serialization.NamingConventions;

namespace DynConv.Training;

/// <summary>Reads and writes a <see cref="TrainingConfiguration"/> as YAML. Unknown keys are errors.</summary>
public static class RunFile
{
    /// <summary>Name of the file in a run's folder.</summary>
    public const string Name = "run.yaml";

    // Building them takes far longer than using them, which a grid does for each of its rows.
    private static readonly ThreadLocal<ISerializer> Serializer = new(static () => new SerializerBuilder()
        .WithNamingConvention(UnderscoredNamingConvention.Instance)
        .WithTypeConverter(new MixerPattern.YamlConverter())
        .WithQuotingNecessaryStrings()
        .DisableAliases()
        .ConfigureDefaultValuesHandling(DefaultValuesHandling.OmitNull)
        .Build());

    private static readonly ThreadLocal<IDeserializer> Deserializer = new(static () => new DeserializerBuilder()
        .WithNamingConvention(UnderscoredNamingConvention.Instance)
        .WithTypeMapping<IReadOnlyList<string>, List<string>>()
        .WithTypeConverter(new MixerPattern.YamlConverter())
        .WithTypeConverter(new DataPathsConverter())
        .WithTypeInspector(inner => new KnownSettings(inner))
        .WithNodeDeserializer(new SettingChecks(), where => where.OnTop())
        .Build());

    /// <summary>Reads a file; a message about it names the file, the line and what was wrong there.</summary>
    /// <param name="path">The file.</param>
    public static TrainingConfiguration Read(string path)
    {
        IReadOnlyList<ParsingEvent> events = [];
        return YamlFile.Read(path, "configuration", text => Parse(text, out events)) with { Places = SettingPlaces.Of(events, path) };
    }

    /// <summary>Reads YAML.</summary>
    /// <param name="text">A mapping of underscored keys.</param>
    /// <exception cref="DynConvException">A key is unknown or there twice, or a value is of the wrong type; the message begins with the line.</exception>
    public static TrainingConfiguration Parse(string text) => Parse(text, out _);

    private static TrainingConfiguration Parse(string text, out IReadOnlyList<ParsingEvent> events)
    {
        try
        {
            events = YamlReader.Read(text);
            return Deserialize(YamlNodes.Parser(events));
        }
        catch (YamlException exception)
        {
            throw Explain(exception);
        }
    }

    /// <summary>The YAML of a configuration, every key in it that has a value.</summary>
    /// <param name="configuration">A configuration.</param>
    public static string ToYaml(TrainingConfiguration configuration) =>
        Serializer.Value!.Serialize(configuration);

    /// <summary>The settings in which two configurations differ, in the order of the second.</summary>
    internal static IEnumerable<SettingDifference> Differences(TrainingConfiguration before, TrainingConfiguration now)
    {
        var old = new Dictionary<string, JsonNode?>(Settings(before));
        foreach ((string name, JsonNode? value) in Settings(now))
        {
            old.Remove(name, out JsonNode? was);
            if (!JsonNode.DeepEquals(was, value))
            {
                yield return new SettingDifference(name, Text(was), Text(value));
            }
        }

        foreach ((string name, JsonNode? value) in old)
        {
            yield return new SettingDifference(name, Text(value), null);
        }

        static string? Text(JsonNode? value) =>
            value is JsonValue single && single.TryGetValue(out string? text) ? text : value?.ToJsonString();
    }

    private static IEnumerable<KeyValuePair<string, JsonNode?>> Settings(TrainingConfiguration configuration) =>
        YamlNodes.ToJson(YamlNodes.Read(ToYaml(configuration)))!.AsObject().SelectMany(static setting =>
            setting.Value is JsonObject section
                ? section.Select(inner => KeyValuePair.Create($"{setting.Key}.{inner.Key}", inner.Value))
                : [setting]);

    /// <summary>Reads the events of one document; a failure is a <see cref="YamlException"/>.</summary>
    internal static TrainingConfiguration Deserialize(IParser parser) =>
        Deserializer.Value!.Deserialize<TrainingConfiguration?>(parser) ?? new TrainingConfiguration();

    /// <summary>A failure in one sentence that begins with the line.</summary>
    internal static DynConvException Explain(YamlException exception)
    {
        YamlException cause = Innermost(exception);
        return new DynConvException(
            $"line {Math.Max(1, cause.Start.Line)}: {cause.Message.ReplaceLineEndings(" ").TrimEnd('.')}{(cause.Message.EndsWith('?') ? "" : ".")}", exception);
    }

    private static YamlException Innermost(YamlException exception) =>
        exception.InnerException is YamlException inner ? Innermost(inner) : exception;
}
