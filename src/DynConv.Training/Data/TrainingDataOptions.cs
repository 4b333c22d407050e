namespace DynConv.Training.Data;

/// <summary>What a run's data is made of.</summary>
public sealed record TrainingDataOptions
{
    /// <summary>
    /// Files and folders of text; see <see cref="TextSource"/>. With <c>:WEIGHT</c> behind each of them they are a mixture.
    /// </summary>
    public required IReadOnlyList<string> Paths { get; init; }

    /// <summary>Files and folders of text to validate on; if there are none, a share of <see cref="Paths"/> is held out.</summary>
    public IReadOnlyList<string> ValidationPaths { get; init; } = [];

    /// <summary>Files and folders that are not data although they may lie among it, such as the run's own folder.</summary>
    public IReadOnlyList<string> Except { get; init; } = [];

    /// <summary>Where the encoded text goes: <c>train</c> and, with validation paths, <c>valid</c>.</summary>
    public required string CacheFolder { get; init; }

    /// <summary>
    /// Whether a run goes on: the text is taken as it was encoded before if it is not to be found any more, or came through a pipe.
    /// </summary>
    public bool TakeEncoded { get; init; }

    /// <summary>
    /// Whether a run goes on that is told of other paths than before: the text there is to be the same, and is what is taken.
    /// </summary>
    public bool HasMoved { get; init; }

    /// <summary>Tokens of one training window.</summary>
    public required int Context { get; init; }

    /// <summary>The share to hold out without validation paths, between 0 and 1.</summary>
    public double ValidationShare { get; init; } = 0.1;

    /// <summary>The most tokens to aim at holding out without validation paths.</summary>
    public long MaxValidationTokens { get; init; } = 2_000_000;

    /// <summary>How files are read.</summary>
    public TextOptions Text { get; init; } = new();

    /// <summary>Threads, progress and cancellation.</summary>
    public EncodingOptions Encoding { get; init; } = new();
}
