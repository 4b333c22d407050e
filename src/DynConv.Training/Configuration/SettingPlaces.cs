using System.Globalization;
using System.Text.RegularExpressions;
using YamlDotNet.Core.Events;

namespace DynConv.Training;

/// <summary>
/// Where in a file the settings of a configuration stand, so that what is found wrong with one later names the line.
/// Configurations that say the same are equal, wherever it stands.
/// </summary>
internal sealed class SettingPlaces : IEquatable<SettingPlaces>
{
    private static readonly Scalar ListItem = new("");

    private readonly IReadOnlyList<(string Name, string Value, long Line)> _settings;
    private readonly string _path;

    private SettingPlaces(IReadOnlyList<(string, string, long)> settings, string path) => (_settings, _path) = (settings, path);

    /// <summary>Of what no file says.</summary>
    public static SettingPlaces None { get; } = new([], "");

    /// <summary>Of a file's events.</summary>
    public static SettingPlaces Of(IReadOnlyList<ParsingEvent> events, string path)
    {
        var settings = new List<(string, string, long)>();
        var keys = new Stack<Scalar?>(); // of each section that is open, the key whose value comes next
        foreach (ParsingEvent found in events)
        {
            bool inSection = keys.TryPeek(out Scalar? key);
            if (found is MappingEnd or SequenceEnd)
            {
                keys.Pop();
            }
            else if (found is Scalar name && inSection && key is null)
            {
                keys.Pop();
                keys.Push(name);
            }
            else if (inSection && key is not null && key != ListItem)
            {
                keys.Pop();
                keys.Push(null);
                if (found is Scalar { Value.Length: > 0 } value)
                {
                    settings.Add((key.Value, value.Value, key.Start.Line));
                }
            }

            if (found is MappingStart)
            {
                keys.Push(null);
            }
            else if (found is SequenceStart)
            {
                keys.Push(ListItem);
            }
        }

        return new SettingPlaces(settings, path);
    }

    /// <summary>A failure with its line in front, if it names a setting of the file with its value there; else null.</summary>
    public DynConvException? Locate(DynConvException failure)
    {
        (string Name, string Value, long Line) found = _settings.FirstOrDefault(setting => Names(failure.Message, setting.Name, setting.Value));
        return found.Name is null
            ? null
            : new DynConvException($"{_path}, line {found.Line}: {failure.Message}", failure);
    }

    /// <inheritdoc/>
    public bool Equals(SettingPlaces? other) => other is not null;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as SettingPlaces);

    /// <inheritdoc/>
    public override int GetHashCode() => 0;

    // The value too: an option of the command line may have taken the place of the file's.
    private static bool Names(string message, string name, string value) =>
        Regex.IsMatch(message, $"(?<![a-z0-9]){Regex.Escape(name).Replace("_", "[_ ]", StringComparison.Ordinal)}(?![a-z0-9])")
        && Regex.IsMatch(message, $"(^|[ '(]){Regex.Escape(Number(value) ?? value)}([ ';,.)]|$)");

    private static string? Number(string text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) ? $"{number}" : null;
}
