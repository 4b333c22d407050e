using DynConv.Models;
using DynConv.Models.Layers;
using DynConv.Modules;
using DynConv.Training.Runs;

namespace DynConv.Experiments.Scaling;

/// <summary>Finds runs and sorts them by architecture.</summary>
public static class ScalingRuns
{
    /// <summary>Reads runs whose losses are comparable.</summary>
    /// <param name="folders">Folders of runs, and folders that hold such folders.</param>
    /// <param name="mixers">The kinds of mixers that their models may have; the library's if not given.</param>
    /// <returns>
    /// Architectures by the name of their kind of convolution (<c>none</c>, <c>static</c>, <c>headwise</c>,
    /// <c>lowrank</c>), with placement, width, rank or head size, and layers that differ, where one kind comes in several ways.
    /// </returns>
    /// <exception cref="DynConvException">There are no runs, or one is not finished, or they do not have the same text.</exception>
    public static IReadOnlyList<ScalingArchitecture> Read(IReadOnlyList<string> folders, MixerKinds? mixers = null)
    {
        RunRecord[] runs = [.. folders.SelectMany(Find).DistinctBy(static folder => Path.GetFullPath(folder)).Select(folder => RunRecord.Read(folder, mixers))];
        RunRecord[] unfinished = [.. runs.Where(run => !run.IsFinished)];
        if (unfinished.Length > 0)
        {
            throw new DynConvException(
                $"{(unfinished.Length == 1 ? "A run is" : $"{unfinished.Length} runs are")} not finished, as {unfinished[0].Folder}; finish or leave out what is to be fitted.{(unfinished[0].LeftOut is { } leftOut ? $" {leftOut}" : "")}");
        }

        RunRecord first = runs[0];
        RunRecord? other = Array.Find(runs, run => !Comparable(first, run));
        if (other is not null)
        {
            throw new DynConvException(
                $"The losses of {first.Folder} and {other.Folder} are not of the same text, tokenizer, context and packing, so no law holds for both.");
        }

        ILookup<string, RunRecord> kinds = runs.ToLookup(run => Kind(run.Model!));
        return [.. kinds.SelectMany(kind => kind.GroupBy(run => Detail(run.Model!)) is var ways && ways.Count() == 1
            ? [new ScalingArchitecture(kind.Key, [.. kind.Select(Point)])]
            : ways.Select(way => new ScalingArchitecture($"{kind.Key} {way.Key}".TrimEnd(), [.. way.Select(Point)])))];
    }

    private static IEnumerable<string> Find(string folder)
    {
        if (!Directory.Exists(folder))
        {
            throw new DynConvException($"There is no folder {folder}.");
        }

        string[] found = RunRecord.IsRun(folder) ? [folder] : [.. Directory.GetDirectories(folder).Where(RunRecord.IsRun).Order(StringComparer.Ordinal)];
        return found.Length > 0 ? found : throw new DynConvException($"{folder} holds no run, nor do the folders in it.");
    }

    private static bool Comparable(RunRecord a, RunRecord b) =>
        a.ValidationTokens == b.ValidationTokens
        && a.Configuration.Context == b.Configuration.Context
        && a.Configuration.Pack == b.Configuration.Pack
        && a.Tokenizer == b.Tokenizer;

    private static ScalingPoint Point(RunRecord run) => new(
        (double)FlopCounts.Of(run.Model!, run.Configuration.Context!.Value).Training * run.Tokens,
        run.Loss!.Value,
        ParameterCounts.Of(run.Model!).Total,
        run.Folder);

    /// <summary>Mixers that are not a plain Transformer's, and the kinds of convolutions, as in <c>lowrank</c>.</summary>
    private static string Kind(ModelConfiguration model)
    {
        IEnumerable<string> mixers = model.Layers.SelectMany(layer => layer.Mixers).Select(mixer => mixer.Type).Distinct()
            .Except([AttentionConfiguration.Name, FeedForwardConfiguration.Name]);
        string[] convolutions = [.. model.Convolutions.Select(placed => placed.Convolution.Kind.Name()).Distinct()];
        return string.Join('+', [.. mixers, .. convolutions.Length == 0 ? [ShortConvolutionKinds.None] : convolutions]);
    }

    /// <summary>The layers in words, once where they are all alike and else as far as they repeat.</summary>
    private static string Detail(ModelConfiguration model)
    {
        string[] layers = [.. model.Layers.Select(Describe)];
        int period = Enumerable.Range(1, layers.Length).First(length => Enumerable.Range(length, layers.Length - length).All(i => layers[i] == layers[i - length]));
        return period == 1
            ? layers[0]
            : $"[{string.Join("; ", layers[..period].Select(layer => layer.Length == 0 ? "plain" : layer))}]";
    }

    private static string Describe(LayerConfiguration layer)
    {
        IEnumerable<string> mixers = layer.Mixers.Select(mixer => mixer.Describe())
            .Where(text => text != AttentionConfiguration.Name && text != FeedForwardConfiguration.Name)
            .Select(text => text.StartsWith(AttentionConfiguration.Name + " ", StringComparison.Ordinal) ? text[(AttentionConfiguration.Name.Length + 1)..] : text);
        IEnumerable<string> convolutions = layer.Mixers.SelectMany(mixer => mixer.Convolutions)
            .GroupBy(placed => placed.Convolution, placed => placed.Layer)
            .Select(group => $"{Size(group.Key)}W={group.Key.Width} {string.Join(',', group)}");
        return string.Join(' ', [.. convolutions, .. mixers]);
    }

    private static string Size(ShortConvolutionConfiguration convolution) => convolution.Kind switch
    {
        ShortConvolutionKind.LowRank => $"R={convolution.Rank} ",
        ShortConvolutionKind.HeadWise => $"head size {convolution.HeadSize} ",
        _ => "",
    };
}
