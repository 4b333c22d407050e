using DynConv.Models.Tokenizers;

namespace DynConv.Training.Data;

/// <summary>The two datasets of a run, which never overlap: what is trained on and what is held out.</summary>
public sealed class TrainingData : IDisposable
{
    private const string TrainName = "train";
    private const string ValidationName = "valid";

    private TrainingData(IReadOnlyList<TrainingSource> sources, TokenDataset train, TokenDataset validation, IReadOnlyList<string> notes)
    {
        Sources = sources;
        Train = train;
        Validation = validation;
        Notes = notes;
    }

    /// <summary>The parts of what is trained on; more than one only of a mixture.</summary>
    public IReadOnlyList<TrainingSource> Sources { get; }

    /// <summary>What is trained on, all sources; at least one window of each.</summary>
    public TokenDataset Train { get; }

    /// <summary>What the validation loss is measured on; at least one window.</summary>
    public TokenDataset Validation { get; }

    /// <summary>What of the text was not read, in sentences.</summary>
    public IReadOnlyList<string> Notes { get; }

    /// <summary>
    /// Finds and encodes the text of a run. Without validation paths a share is held out, as
    /// <see cref="TokenDataset.HoldOut"/> does, of a mixture in proportion to its weights; files that are under both lists of
    /// paths are for validation only.
    /// </summary>
    /// <param name="options">Paths, context and cache.</param>
    /// <param name="tokenizer">Encodes.</param>
    /// <exception cref="DynConvException">A source is missing, unreadable, binary or malformed, or the text is too short.</exception>
    public static TrainingData Prepare(TrainingDataOptions options, ITokenizer tokenizer)
    {
        using var opened = new OpenedData(options, tokenizer);
        IReadOnlyList<WeightedPath> paths = WeightedPath.ParseAll(options.Paths);
        EncodedSource? validation = options.ValidationPaths.Count > 0
            ? opened.Open(new SourceFolder(options.ValidationPaths, ValidationName), options.Except)
            : null;
        IReadOnlyList<string> except = [.. options.Except, .. validation?.Paths ?? []];
        bool isMixture = paths is [{ Weight: not null }, _, ..];
        SourceFolder[] folders = isMixture
            ? [.. paths.Select(static (path, i) => new SourceFolder([path.Path], $"{TrainName}-{i}"))]
            : [new SourceFolder([.. paths.Select(static path => path.Path)], TrainName)];
        if (isMixture && validation is null)
        {
            CheckApart(paths);
        }

        double weights = paths.Sum(static path => path.Weight ?? 0);
        double[] shares = isMixture ? [.. paths.Select(path => path.Weight!.Value / weights)] : [1];
        EncodedSource[] sources = [.. folders.Select(folder => opened.Open(folder, except))];
        string[] notes = [.. sources.Prepend(validation).OfType<EncodedSource>().SelectMany(static source => source.Notes)];
        if (validation is not null)
        {
            return Combine(
                [.. sources.Select((source, i) => new TrainingSource(source.Name, shares[i], opened.Keep(source.Data), null))],
                opened.Keep(validation.Data),
                notes);
        }

        // As much as the scarcest source, for its weight, can spare: what is held out has the shares of what is trained on.
        double most = Math.Min(
            options.MaxValidationTokens,
            sources.Select((source, i) => options.ValidationShare * source.Data.Tokens / shares[i]).Min());
        var parts = new List<TrainingSource>();
        foreach ((int i, EncodedSource source) in sources.Index())
        {
            long limit = isMixture ? Math.Max(1, (long)(most * shares[i])) : options.MaxValidationTokens;
            (TokenDataset train, TokenDataset heldOut) = source.Data.HoldOut(options.Context, options.ValidationShare, limit);
            parts.Add(new TrainingSource(source.Name, shares[i], opened.Add(train), opened.Add(heldOut)));
        }

        opened.Keep([.. parts.SelectMany(static part => (TokenDataset[])[part.Train, part.Validation!])]);
        return Combine(parts, isMixture ? TokenDataset.Join([.. parts.Select(static part => part.Validation!)]) : parts[0].Validation!, notes);
    }

    /// <summary>Closes all datasets.</summary>
    public void Dispose()
    {
        Train.Dispose();
        Validation.Dispose();
        foreach (TrainingSource source in Sources)
        {
            source.Train.Dispose();
            source.Validation?.Dispose();
        }
    }

    /// <summary>What is held out of one source must not be trained on in another.</summary>
    private static void CheckApart(IReadOnlyList<WeightedPath> paths)
    {
        string[] full = [.. paths.Select(static path => FolderWalk.Full(path.Path))];
        for (int inner = 0; inner < full.Length; inner++)
        {
            int outer = Array.FindIndex(full, path => FolderWalk.IsPart(full[inner], path));
            outer = outer == inner ? Array.FindIndex(full, inner + 1, path => FolderWalk.IsPart(full[inner], path)) : outer;
            if (outer >= 0)
            {
                throw new DynConvException(
                    $"{paths[inner].Path} is part of {paths[outer].Path}, so that text held out of one would be trained on in the other; give each text once, or separate validation text.");
            }
        }
    }

    private static TrainingData Combine(List<TrainingSource> sources, TokenDataset validation, IReadOnlyList<string> notes) =>
        new(sources, sources.Count > 1 ? TokenDataset.Join([.. sources.Select(static source => source.Train)]) : sources[0].Train, validation, notes);

    /// <summary>Paths whose text lies encoded in a folder of the cache.</summary>
    private sealed record SourceFolder(IReadOnlyList<string> Paths, string Name);

    /// <summary>Encoded text.</summary>
    /// <param name="Name">What people call it.</param>
    /// <param name="Paths">Where it was found, good from any working directory.</param>
    /// <param name="Data">All of it.</param>
    /// <param name="Notes">What was not read.</param>
    private sealed record EncodedSource(string Name, IReadOnlyList<string> Paths, TokenDataset Data, IReadOnlyList<string> Notes);

    /// <summary>The datasets that have been opened, closed at the end unless they are kept.</summary>
    private sealed class OpenedData(TrainingDataOptions options, ITokenizer tokenizer) : IDisposable
    {
        private readonly HashSet<TokenDataset> _open = [];

        public EncodedSource Open(SourceFolder folder, IReadOnlyList<string> except)
        {
            string cache = Path.Combine(options.CacheFolder, folder.Name);
            IReadOnlyList<string> left = [.. except, options.CacheFolder];
            (TokenDataset? data, TextSource? source) = options.TakeEncoded ? TokenCache.Continue(cache, options.HasMoved ? folder.Paths : null, left, tokenizer, options.Encoding) : default;
            if (data is null)
            {
                source = TextSource.Find(folder.Paths, left, options.Text);
                data = TokenCache.OpenOrEncode(cache, source, tokenizer, options.Encoding);
            }

            Add(data).CheckHolds(options.Context, folder.Name == ValidationName ? "The validation text" : folder.Name == TrainName ? "The text" : $"The text of {folder.Paths[0]}");
            return new EncodedSource(
                string.Join(", ", folder.Paths),
                source?.FullPaths ?? DataManifest.Load(cache).Paths,
                data,
                DataNotes.NotRead(source?.LeftOut ?? [], data.Skipped));
        }

        public TokenDataset Add(TokenDataset data)
        {
            _open.Add(data);
            return data;
        }

        public TokenDataset Keep(TokenDataset data)
        {
            _open.Remove(data);
            return data;
        }

        public void Keep(IReadOnlyList<TokenDataset> all)
        {
            foreach (TokenDataset data in all)
            {
                Keep(data);
            }
        }

        public void Dispose()
        {
            foreach (TokenDataset data in _open)
            {
                data.Dispose();
            }
        }
    }
}
