using DynConv.Ops;

namespace DynConv.Training.Data;

/// <summary>
/// Windows of tokens in one row, with what keeps their documents apart: a sequence begins with each window and with
/// each document inside one, and the last token of a document has no target.
/// </summary>
public sealed class PackedBatch
{
    private readonly int[] _ids;
    private readonly int[] _targets;
    private readonly List<long> _bounds;

    private PackedBatch(int windows, int context)
    {
        _ids = new int[checked(windows * context)];
        _targets = new int[_ids.Length];
        _bounds = new List<long>(windows + 1);
    }

    /// <summary>B windows of T ids, one after the other; 0 after the end of the data.</summary>
    public ReadOnlySpan<int> Ids => _ids;

    /// <summary>
    /// For each id the one after it, or <see cref="EvaluationWindows.IgnoredTarget"/> where that belongs to another
    /// document or lies after the end of the data.
    /// </summary>
    public ReadOnlySpan<int> Targets => _targets;

    /// <summary>Where sequences begin, in ascending order, and the number of ids: what <see cref="PackedSequences"/> takes.</summary>
    public IReadOnlyList<long> Bounds => _bounds;

    /// <summary>Targets that count.</summary>
    public long CountedTargets { get; private set; }

    /// <summary>The bounds as ops take them; the caller disposes them when no op and no gradient needs them any more.</summary>
    public PackedSequences Sequences() => new([.. _bounds]);

    /// <summary>Reads windows.</summary>
    /// <param name="context">Tokens of a window, T.</param>
    /// <param name="windows">The windows; the end of data's last one may be missing.</param>
    internal static PackedBatch Read(int context, IReadOnlyList<TokenWindow> windows)
    {
        var batch = new PackedBatch(windows.Count, context);
        for (int i = 0; i < windows.Count; i++)
        {
            batch.Add(windows[i].Data, context, windows[i].Position, i * context);
        }

        batch._bounds.Add(batch._ids.Length);
        return batch;
    }

    /// <summary>The <see cref="CountedTargets"/> of such a batch, without reading it.</summary>
    internal static long CountTargets(int context, IEnumerable<TokenWindow> windows) =>
        windows.Sum(window => Filled(window.Data, context, window.Position) - FirstTokens(window.Data, context, window.Position).Count);

    private void Add(ITokenRow data, int context, long position, int place)
    {
        int filled = Filled(data, context, position);
        data.CopyTo(position, _ids.AsSpan(place, filled));
        data.CopyTo(position + 1, _targets.AsSpan(place, filled));
        _targets.AsSpan(place + filled, context - filled).Fill(EvaluationWindows.IgnoredTarget);
        _bounds.Add(place);
        IReadOnlyList<long> starts = FirstTokens(data, context, position);
        foreach (long start in starts)
        {
            int offset = (int)(start - position);
            _targets[place + offset - 1] = EvaluationWindows.IgnoredTarget;
            if (offset < context)
            {
                _bounds.Add(place + offset);
            }
        }

        CountedTargets += filled - starts.Count;
    }

    /// <summary>Tokens of a window that have one after them.</summary>
    private static int Filled(ITokenRow data, int context, long position) =>
        (int)Math.Min(context, data.Tokens - 1 - position);

    /// <summary>The places of a window's targets at which a document begins.</summary>
    private static IReadOnlyList<long> FirstTokens(ITokenRow data, int context, long position) =>
        data.DocumentStarts(position, Filled(data, context, position) + 1);
}
