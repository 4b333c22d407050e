namespace DynConv.Training.Data;

/// <summary>
/// Says which window of the data each training sample is. A sample is known by its number alone, so that the data
/// position of a run is one number, and however a step's samples are parted into micro-batches, they are the same.
/// </summary>
/// <remarks>
/// An epoch cuts the data into windows of one context that do not overlap, from an offset of its own, and goes through
/// them in an order of its own. Offset and order follow from the seed and the epoch. Fewer than two contexts of tokens
/// at the ends are left out of an epoch, others each time. Of a mixture each source has epochs of its own, and which source a
/// sample is from follows from its number and the seed.
/// </remarks>
public sealed class BatchSampler
{
    private readonly ITokenRow[] _data;
    private readonly MixtureSchedule? _mixture;
    private readonly ulong _seed;

    /// <summary>Creates the sampler; nothing is read yet.</summary>
    /// <param name="data">At least one context and its last target.</param>
    /// <param name="context">Tokens of one window, T.</param>
    /// <param name="seed">Another seed, another order.</param>
    /// <exception cref="DynConvException">The data is shorter than one context.</exception>
    public BatchSampler(TokenDataset data, int context, ulong seed)
        : this([Holding(data, context)], null, context, seed)
    {
    }

    /// <summary>Creates the sampler of a mixture; nothing is read yet.</summary>
    /// <param name="sources">At least one, each of one context and its last target at least.</param>
    /// <param name="context">Tokens of one window, T.</param>
    /// <param name="seed">Another seed, another order.</param>
    /// <exception cref="DynConvException">A source is shorter than one context.</exception>
    public BatchSampler(IReadOnlyList<TrainingSource> sources, int context, ulong seed)
        : this(
            [.. sources.Select(source => Holding(source.Train, context))],
            sources.Count > 1 ? new MixtureSchedule([.. sources.Select(static source => source.Share)], seed) : null,
            context,
            seed)
    {
    }

    /// <summary>Creates the sampler of ids that are no text.</summary>
    internal BatchSampler(ITokenRow ids, int context, ulong seed)
        : this([ids], null, context, seed)
    {
    }

    private BatchSampler(ITokenRow[] data, MixtureSchedule? mixture, int context, ulong seed)
    {
        _data = data;
        _mixture = mixture;
        _seed = seed;
        Context = context;
        SamplesPerEpoch = data.Sum(SamplesOf);
    }

    /// <summary>Tokens of one window, T.</summary>
    public int Context { get; }

    /// <summary>Windows in one epoch; of a mixture, those of one epoch of each source.</summary>
    public long SamplesPerEpoch { get; }

    /// <summary>Reads one sample.</summary>
    /// <param name="sample">Its number, from 0; any number of epochs.</param>
    /// <param name="inputs">[T] ids.</param>
    /// <param name="targets">[T] ids: for each input the id after it.</param>
    public void Fill(long sample, Span<int> inputs, Span<int> targets)
    {
        CheckLengths(inputs, targets, Context);
        TokenWindow window = Window(sample);
        window.Data.CopyTo(window.Position, inputs);
        window.Data.CopyTo(window.Position + 1, targets);
    }

    /// <summary>Reads consecutive samples.</summary>
    /// <param name="firstSample">The number of the first one.</param>
    /// <param name="inputs">[B, T] ids.</param>
    /// <param name="targets">[B, T] ids.</param>
    public void FillBatch(long firstSample, Span<int> inputs, Span<int> targets)
    {
        int batch = inputs.Length / Context;
        CheckLengths(inputs, targets, (long)batch * Context);
        for (int i = 0; i < batch; i++)
        {
            Fill(firstSample + i, inputs.Slice(i * Context, Context), targets.Slice(i * Context, Context));
        }
    }

    /// <summary>Reads consecutive samples as sequences that end where documents end.</summary>
    /// <param name="firstSample">The number of the first one.</param>
    /// <param name="count">How many, B.</param>
    public PackedBatch Pack(long firstSample, int count) => PackedBatch.Read(Context, [.. Windows(firstSample, count)]);

    /// <summary>Targets that count in what <see cref="Pack"/> reads.</summary>
    internal long CountPackedTargets(long firstSample, int count) =>
        PackedBatch.CountTargets(Context, Windows(firstSample, count));

    /// <summary>Where a sample's window begins, in the data of its source.</summary>
    internal long Position(long sample) => Window(sample).Position;

    /// <summary>A sample's window.</summary>
    internal TokenWindow Window(long sample)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sample);
        (int source, long number) = _mixture?[sample] ?? (0, sample);
        ITokenRow data = _data[source];
        long samples = SamplesOf(data);
        (long epoch, long index) = Math.DivRem(number, samples);
        ulong key = RandomPermutation.Mix(_seed ^ RandomPermutation.Mix((ulong)epoch));
        long free = data.Tokens - (samples * Context);
        long offset = (long)(RandomPermutation.Mix(key) % (ulong)free);
        return new TokenWindow(data, offset + (new RandomPermutation(samples, key)[index] * Context));
    }

    private static TokenDataset Holding(TokenDataset data, int context)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(context, 1);
        data.CheckHolds(context);
        return data;
    }

    private long SamplesOf(ITokenRow data) => Math.Max(1, (data.Tokens - Context) / Context);

    private IEnumerable<TokenWindow> Windows(long firstSample, int count) =>
        Enumerable.Range(0, count).Select(i => Window(firstSample + i));

    private static void CheckLengths(Span<int> inputs, Span<int> targets, long length)
    {
        if (inputs.Length != length || targets.Length != length)
        {
            throw new ArgumentException(
                $"{inputs.Length} inputs and {targets.Length} targets were given, where {length} of each belong.");
        }
    }
}
