using System.Text.RegularExpressions;
using YamlDotNet.Core;
using YamlDotNet.Serialization;
using YamlDotNet.Serialization.NamingConventions;

namespace DynConv.Training;

/// <summary>Reads and writes a <see cref="TrainingConfiguration"/> as YAML. Unknown keys are errors.</summary>
public static class RunFile
{
    /// <summary>Name of the file in a run's folder.</summary>
    public const string Name = "run.yaml";

    // The parser speaks of properties and types, which mean nothing to a person who writes YAML.
    private static readonly Regex UnknownKey = new("^Property '([^']*)' not found on type", RegexOptions.CultureInvariant);

    /// <summary>Reads a file; a message about it names the file, the line and what was wrong there.</summary>
    /// <param name="path">The file.</param>
    public static TrainingConfiguration Read(string path)
    {
        string text;
        try
        {
            text = File.ReadAllText(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new DynConvException($"The configuration {path} cannot be read: {exception.Message}", exception);
        }

        try
        {
            return Parse(text);
        }
        catch (YamlException exception)
        {
            throw new DynConvException($"{path}, line {exception.Start.Line}: {Reason(exception)}", exception);
        }
    }

    private static string Reason(YamlException exception)
    {
        string reason = (exception.InnerException?.Message ?? exception.Message).ReplaceLineEndings(" ");
        return UnknownKey.Match(reason) is { Success: true } unknown ? $"there is no setting '{unknown.Groups[1].Value}'." : reason;
    }

    /// <summary>Reads YAML.</summary>
    /// <param name="text">A mapping of underscored keys.</param>
    public static TrainingConfiguration Parse(string text) =>
        new DeserializerBuilder()
            .WithNamingConvention(UnderscoredNamingConvention.Instance)
            .WithDuplicateKeyChecking()
            .Build()
            .Deserialize<TrainingConfiguration?>(text) ?? new TrainingConfiguration();

    /// <summary>The YAML of a configuration, every key in it.</summary>
    /// <param name="configuration">A configuration.</param>
    public static string ToYaml(TrainingConfiguration configuration) =>
        new SerializerBuilder()
            .WithNamingConvention(UnderscoredNamingConvention.Instance)
            .ConfigureDefaultValuesHandling(DefaultValuesHandling.OmitNull)
            .Build()
            .Serialize(configuration);
}
