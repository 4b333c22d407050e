using DynConv.Training;
using YamlDotNet.RepresentationModel;

namespace DynConv.Experiments.Ablations;

/// <summary>A row as the file has it: a name, and the settings in which it differs from the base.</summary>
/// <param name="Name">The row's name.</param>
/// <param name="Where">Where it stands.</param>
/// <param name="Settings">What differs.</param>
internal sealed record AblationVariant(string Name, YamlNode Where, YamlMappingNode Settings)
{
    /// <summary>
    /// Every combination of axes. An axis is a setting with a list of values, or a name of its own with a section of
    /// named settings.
    /// </summary>
    public static List<AblationVariant> Product(YamlMappingNode axes, int most)
    {
        List<AblationVariant> all = [];
        foreach ((string key, YamlNode keyNode, YamlNode value) in YamlNodes.Entries(axes))
        {
            List<AblationVariant> choices = Choices(key, keyNode, value);
            if ((long)choices.Count * Math.Max(1, all.Count) > most)
            {
                throw YamlNodes.Failure(keyNode, $"the grid has more than {most} rows");
            }

            all = all.Count == 0 ? choices : [.. all.SelectMany(before => choices.Select(choice => Join(before, choice)))];
        }

        return all;
    }

    private static List<AblationVariant> Choices(string axis, YamlNode where, YamlNode values) => values switch
    {
        YamlSequenceNode { Children.Count: > 0 } list => [.. list.Children.Select(value => new AblationVariant(
            $"{axis}={YamlNodes.Text(value, $"a value of {axis}")}", value, new YamlMappingNode(where, value)))],
        YamlMappingNode { Children.Count: > 0 } named => [.. YamlNodes.Entries(named).Select(
            choice => new AblationVariant(choice.Key, choice.KeyNode, YamlNodes.Mapping(choice.Value, $"'{choice.Key}'")))],
        _ => throw YamlNodes.Failure(where, $"the axis '{axis}' needs a list of values, or names with settings"),
    };

    private static AblationVariant Join(AblationVariant first, AblationVariant second)
    {
        YamlNode? both = second.Settings.Children.Keys.FirstOrDefault(first.Settings.Children.ContainsKey);
        return both is null || both.ToString() == AblationRows.ModelSection
            ? new AblationVariant($"{first.Name} {second.Name}", second.Where, YamlNodes.Merge(first.Settings, second.Settings))
            : throw YamlNodes.Failure(both, $"'{both}' is set by two axes of the grid");
    }
}
