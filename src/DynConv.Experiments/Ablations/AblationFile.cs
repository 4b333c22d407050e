using System.Globalization;
using DynConv.Models.Layers;
using DynConv.Training;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace DynConv.Experiments.Ablations;

/// <summary>
/// Reads an <see cref="AblationGrid"/> from YAML: <c>base</c>, a run's settings; <c>rows</c>, names with the settings in
/// which they differ from it; <c>grid</c>, axes of which every combination is a row; <c>seeds</c> and <c>baseline</c>.
/// </summary>
public static class AblationFile
{
    private const string Name = "name";
    private const string Baseline = "baseline";
    private const string Seeds = "seeds";
    private const string Base = "base";
    private const string Rows = "rows";
    private const string Grid = "grid";
    private const int MostRows = 1000;

    private static readonly string[] Keys = [Name, Baseline, Seeds, Base, Rows, Grid];

    /// <summary>Reads a file and checks all of it that can be checked without the text and the device.</summary>
    /// <param name="path">The file.</param>
    /// <param name="mixers">The kinds of mixers that it may name; the library's if not given.</param>
    /// <exception cref="DynConvException">In one sentence: what is wrong, and in which line or row.</exception>
    public static AblationGrid Read(string path, MixerKinds? mixers = null) =>
        YamlFile.Read(path, "grid", text => Parse(text, Path.GetFileNameWithoutExtension(path), mixers));

    /// <summary>Reads YAML.</summary>
    /// <param name="text">The file's text.</param>
    /// <param name="name">Stands for a name that it does not give.</param>
    /// <param name="mixers">The kinds of mixers that it may name; the library's if not given.</param>
    /// <exception cref="DynConvException">In one sentence: what is wrong, and in which line or row.</exception>
    public static AblationGrid Parse(string text, string name, MixerKinds? mixers = null)
    {
        try
        {
            return Read(YamlNodes.Read(text), name, mixers ?? MixerKinds.BuiltIn);
        }
        catch (YamlException exception)
        {
            throw RunFile.Explain(exception);
        }
    }

    private static AblationGrid Read(YamlMappingNode file, string name, MixerKinds mixers)
    {
        var found = new Dictionary<string, YamlNode>();
        foreach ((string key, YamlNode keyNode, YamlNode value) in YamlNodes.Entries(file))
        {
            found[key] = Keys.Contains(key)
                ? value
                : throw YamlNodes.Failure(keyNode, $"there is no setting {YamlReader.Quote(key)} of a grid; there are {string.Join(", ", Keys)}, and settings of runs go under {Base}");
        }

        YamlMappingNode ground = found.TryGetValue(Base, out YamlNode? settings) ? YamlNodes.Mapping(settings, Base) : new YamlMappingNode();
        var variants = new List<AblationVariant>();
        if (found.TryGetValue(Rows, out YamlNode? rows))
        {
            variants.AddRange(YamlNodes.Entries(YamlNodes.Mapping(rows, Rows))
                .Select(static row => new AblationVariant(row.Key, row.KeyNode, YamlNodes.Mapping(row.Value, $"row '{row.Key}'"))));
        }

        if (found.TryGetValue(Grid, out YamlNode? axes))
        {
            variants.AddRange(AblationVariant.Product(YamlNodes.Mapping(axes, Grid), MostRows));
        }

        if (variants.Count is 0 or > MostRows)
        {
            throw YamlNodes.Failure(file, variants.Count == 0 ? $"the grid has no rows: give {Rows} or {Grid}" : $"the grid has more than {MostRows} rows");
        }

        List<AblationRow> made = AblationRows.Make(ground, variants, mixers);
        return new AblationGrid(
            found.TryGetValue(Name, out YamlNode? title) ? YamlNodes.Text(title, Name) : name,
            ReadBaseline(found.GetValueOrDefault(Baseline), made),
            found.TryGetValue(Seeds, out YamlNode? seeds) ? ReadSeeds(seeds) : [made[0].Configuration.Seed],
            made);
    }

    private static string? ReadBaseline(YamlNode? node, List<AblationRow> rows)
    {
        if (node is null)
        {
            return null;
        }

        string baseline = YamlNodes.Text(node, Baseline);
        return rows.Exists(row => row.Name == baseline)
            ? baseline
            : throw YamlNodes.Failure(node, $"the baseline '{baseline}' is not a row; the rows are {string.Join("; ", rows.Select(row => row.Name))}");
    }

    private static List<ulong> ReadSeeds(YamlNode node)
    {
        if (node is not YamlSequenceNode { Children.Count: > 0 } list)
        {
            throw YamlNodes.Failure(node, "seeds have to be a list, as in [0, 1, 2]");
        }

        var seeds = new List<ulong>();
        foreach (YamlNode item in list.Children)
        {
            string text = YamlNodes.Text(item, "a seed");
            if (!ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out ulong seed))
            {
                throw YamlNodes.Failure(item, $"the seed '{text}' is not a whole number from 0");
            }

            if (seeds.Contains(seed))
            {
                throw YamlNodes.Failure(item, $"the seed '{text}' is there twice");
            }

            seeds.Add(seed);
        }

        return seeds;
    }
}
