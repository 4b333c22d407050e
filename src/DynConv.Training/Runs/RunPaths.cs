using DynConv.Models.Tokenizers;

namespace DynConv.Training.Runs;

/// <summary>Paths in a run's settings, which are to mean the same from whatever folder the run is resumed.</summary>
internal static class RunPaths
{
    private const string StandardInput = "-";

    /// <summary>The same settings with full paths.</summary>
    public static TrainingConfiguration Absolute(TrainingConfiguration configuration) => configuration with
    {
        Data = [.. configuration.Data.Select(Absolute)],
        Valid = [.. configuration.Valid.Select(Absolute)],
        Tokenizer = configuration.Tokenizer is null or TokenizerLoader.Bytes ? configuration.Tokenizer : Absolute(configuration.Tokenizer),
        Init = configuration.Init is { } folder ? Absolute(folder) : null,
    };

    private static string Absolute(string path) =>
        path is "" or StandardInput || path.StartsWith(StandardInput + ":", StringComparison.Ordinal) ? path : Path.GetFullPath(path);
}
