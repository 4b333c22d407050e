namespace DynConv.Training.Data;

/// <summary>
/// The data in order, window after window: each token but the first is a target exactly once. What the last window has
/// too much is filled up with targets that are to be ignored.
/// </summary>
public sealed class EvaluationWindows
{
    /// <summary>The target of a place that does not count.</summary>
    public const int IgnoredTarget = -100;

    private readonly TokenDataset _data;

    /// <summary>Creates the windows; nothing is read yet.</summary>
    /// <param name="data">At least one context and its last target.</param>
    /// <param name="context">Tokens of one window, T.</param>
    /// <exception cref="DynConvException">The data is shorter than one context.</exception>
    public EvaluationWindows(TokenDataset data, int context)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(context, 1);
        data.CheckHolds(context);
        _data = data;
        Context = context;
        Count = (data.Tokens - 1 + context - 1) / context;
    }

    /// <summary>Tokens of one window, T.</summary>
    public int Context { get; }

    /// <summary>Number of windows.</summary>
    public long Count { get; }

    /// <summary>Targets that count in windows from <paramref name="first"/> on.</summary>
    /// <param name="first">The first window.</param>
    /// <param name="count">How many windows.</param>
    public long TargetTokens(long first, long count) => Math.Min((first + count) * Context, _data.Tokens - 1) - (first * Context);

    /// <summary>
    /// Bytes of the text that those targets stand for. The summed loss of the windows, divided by this and by ln 2, is
    /// their bits a byte.
    /// </summary>
    /// <param name="first">The first window.</param>
    /// <param name="count">How many windows.</param>
    public long TargetBytes(long first, long count) => _data.CountBytes((first * Context) + 1, TargetTokens(first, count));

    /// <summary>Reads one window.</summary>
    /// <param name="window">Its number, from 0.</param>
    /// <param name="inputs">[T] ids; 0 after the end of the data.</param>
    /// <param name="targets">[T] ids: for each input the id after it; <see cref="IgnoredTarget"/> after the end of the data.</param>
    public void Fill(long window, Span<int> inputs, Span<int> targets)
    {
        CheckExists(window);
        ArgumentOutOfRangeException.ThrowIfNotEqual(inputs.Length, Context);
        ArgumentOutOfRangeException.ThrowIfNotEqual(targets.Length, Context);
        int filled = (int)TargetTokens(window, 1);
        _data.CopyTo(window * Context, inputs[..filled]);
        _data.CopyTo((window * Context) + 1, targets[..filled]);
        inputs[filled..].Clear();
        targets[filled..].Fill(IgnoredTarget);
    }

    /// <summary>Reads windows as sequences that end where documents end: first tokens of documents are no targets.</summary>
    /// <param name="windows">Their numbers, from 0.</param>
    public PackedBatch Pack(params IReadOnlyList<long> windows)
    {
        foreach (long window in windows)
        {
            CheckExists(window);
        }

        return PackedBatch.Read(Context, [.. windows.Select(window => new TokenWindow(_data, window * Context))]);
    }

    /// <summary>Bytes of the text that the targets of packed windows stand for.</summary>
    /// <param name="batch">What <see cref="Pack"/> has read.</param>
    public long TargetBytes(PackedBatch batch) =>
        _data.CountBytes([.. batch.Targets.ToArray().Where(static target => target != IgnoredTarget)]);

    private void CheckExists(long window)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(window);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(window, Count);
    }
}
