using System.Text.Json.Nodes;
using DynConv.Models.Layers;
using DynConv.Modules;
using DynConv.Training;
using YamlDotNet.RepresentationModel;

namespace DynConv.Experiments.Ablations;

/// <summary>Makes rows of what a file says, and refuses those that make no sense.</summary>
internal static class AblationRows
{
    public const string ModelSection = "model";

    private const string Conv = "conv";
    private const string Steps = "steps";
    private const string Tokens = "tokens";

    /// <summary>Settings that have to be the same for losses to be comparable, or that each run of a row has by itself.</summary>
    private static readonly string[] Common = ["data", "valid", "tokenizer", "init", "context", "pack", "seed"];

    /// <summary>What each kind of convolution has no use for.</summary>
    private static readonly Dictionary<string, string[]> Unused = new()
    {
        [ShortConvolutionKinds.None] = ["placement", "width", "rank", "head_size"],
        [ShortConvolutionKind.Static.Name()] = ["rank", "head_size"],
        [ShortConvolutionKind.HeadWise.Name()] = ["rank"],
        [ShortConvolutionKind.LowRank.Name()] = ["head_size"],
    };

    public static List<AblationRow> Make(YamlMappingNode ground, IReadOnlyList<AblationVariant> variants, MixerKinds mixers)
    {
        // A mistake in the base is the base's, not the first row's.
        _ = RunFile.Deserialize(YamlNodes.Parser(ground));
        string[] varied = [.. variants.SelectMany(variant => YamlNodes.Entries(variant.Settings)).Select(entry => entry.Key).Distinct()];
        var rows = new List<AblationRow>();
        var seen = new Dictionary<string, string>();
        foreach (AblationVariant variant in variants)
        {
            AblationRow row = Make(ground, variant, varied, mixers);
            Distinguish(seen, row, variant.Where);
            rows.Add(row);
        }

        return rows;
    }

    private static AblationRow Make(YamlMappingNode ground, AblationVariant variant, string[] varied, MixerKinds mixers)
    {
        string[] given = [.. YamlNodes.Entries(variant.Settings).Select(entry => entry.Key)];
        string? common = given.FirstOrDefault(Common.Contains);
        if (common is not null)
        {
            throw YamlNodes.Failure(variant.Where, $"row '{variant.Name}' sets {common}, which is the same for all rows: it goes under {(common == "seed" ? "seeds" : "base")}");
        }

        YamlMappingNode merged = YamlNodes.Merge(WithoutOtherLength(ground, given), variant.Settings);
        TrainingConfiguration configuration = RunFile.Deserialize(YamlNodes.Parser(merged)) with { Mixers = mixers };
        if (Unused.TryGetValue(configuration.Conv ?? TrainingConfiguration.DefaultConv, out string[]? unused) && given.FirstOrDefault(unused.Contains) is { } idle)
        {
            string kind = configuration.Conv == ShortConvolutionKinds.None ? "a model without convolutions has no use for" : $"{configuration.ConvName} convolutions have no use for";
            throw YamlNodes.Failure(variant.Where, $"row '{variant.Name}' sets {idle}, which {kind}");
        }

        Check(configuration, variant);
        return new AblationRow(variant.Name, Settings(configuration, varied, unused ?? []), configuration);
    }

    /// <summary>A row that gives its length in steps does not mean the base's length in tokens, and the other way round.</summary>
    private static YamlMappingNode WithoutOtherLength(YamlMappingNode ground, string[] given)
    {
        string? other = given.Contains(Steps) ? Tokens : given.Contains(Tokens) ? Steps : null;
        return other is null || given.Contains(other)
            ? ground
            : new YamlMappingNode(ground.Children.Where(pair => pair.Key.ToString() != other));
    }

    private static void Check(TrainingConfiguration configuration, AblationVariant variant)
    {
        try
        {
            _ = configuration.WithoutDevice().Resolve();
            _ = configuration.ModelConfiguration();
        }
        catch (DynConvException exception)
        {
            throw YamlNodes.Failure(variant.Where, $"row '{variant.Name}': {exception.Message}");
        }
    }

    private static void Distinguish(Dictionary<string, string> seen, AblationRow row, YamlNode where)
    {
        string folder = row.FolderName(0);
        if (!seen.TryAdd(folder, row.Name))
        {
            throw YamlNodes.Failure(where, seen[folder] == row.Name
                ? $"the row '{row.Name}' is there twice"
                : $"the rows '{seen[folder]}' and '{row.Name}' would have the same folder");
        }

        string settings = RunFile.ToYaml(row.Configuration.WithoutDevice().Resolve());
        if (!seen.TryAdd(settings, row.Name))
        {
            throw YamlNodes.Failure(where, $"the rows '{seen[settings]}' and '{row.Name}' have the same settings");
        }
    }

    /// <summary>The values of all settings in which any row differs from the base.</summary>
    private static JsonObject Settings(TrainingConfiguration configuration, string[] varied, string[] unused)
    {
        TrainingConfiguration shown = configuration.Init is null ? configuration with { Conv = configuration.Conv ?? TrainingConfiguration.DefaultConv } : configuration;
        JsonObject all = YamlNodes.ToJson(YamlNodes.Read(RunFile.ToYaml(shown)))!.AsObject();
        return new JsonObject(varied.Order(SettingOrder).Where(key => !unused.Contains(key) && all[key] is not null)
            .Select(key => KeyValuePair.Create(key, all[key]!.DeepClone()))!);
    }

    private static Comparer<string> SettingOrder => Comparer<string>.Create(static (a, b) => (a == Conv ? 0 : 1) - (b == Conv ? 0 : 1));
}
