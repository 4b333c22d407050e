namespace DynConv.Ops;

/// <summary>Where the tokens of a call stand in their sequences.</summary>
/// <remarks>
/// What kernels read of it is made on each device with the first op there that needs it, and kept for later ones. Whoever
/// made the object disposes it when no op needs it any more; gradients hold what they need themselves.
/// </remarks>
public sealed class TokenPositions : IDisposable
{
    private readonly long[] _first;
    private readonly Dictionary<Device, Tensor> _copies = [];
    private bool _disposed;

    /// <summary>Sequences side by side, each a row of a batch: token t of sequence b stands at <c>first[b] + t</c>.</summary>
    /// <param name="first">The position of each row's first token, B numbers from 0 on.</param>
    /// <param name="tokens">Tokens of a row, T.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is negative.</exception>
    public TokenPositions(ReadOnlySpan<long> first, long tokens)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(tokens);

        foreach (long position in first)
        {
            if (position < 0)
            {
                throw new ArgumentOutOfRangeException(nameof(first), position, "Positions begin with 0.");
            }

            End = tokens == 0 ? 0 : Math.Max(End, checked(position + tokens));
        }

        _first = first.ToArray();
        Batch = first.Length;
        Tokens = tokens;
        Common = first.Length > 0 && !first.ContainsAnyExcept(first[0]) ? first[0] : null;
    }

    /// <summary>Sequences that share one row: each counts its tokens from 0.</summary>
    /// <param name="packed">Where they begin and end. It stays the caller's to dispose, after this object's last use.</param>
    public TokenPositions(PackedSequences packed)
    {
        ArgumentNullException.ThrowIfNull(packed);
        _first = [];
        Batch = 1;
        Tokens = packed.Tokens;
        End = packed.Longest;
        Packed = packed;
    }

    /// <summary>Rows of tokens, B.</summary>
    public long Batch { get; }

    /// <summary>Tokens of a row, T.</summary>
    public long Tokens { get; }

    /// <summary>One past the largest position; 0 without tokens.</summary>
    public long End { get; }

    /// <summary>Where every row begins, if that is one position for all; null if not, and for packed sequences.</summary>
    public long? Common { get; }

    /// <summary>The sequences that share the one row, if they do.</summary>
    public PackedSequences? Packed { get; }

    /// <summary>Gives the memory of what kernels read back, on every device.</summary>
    public void Dispose()
    {
        lock (_copies)
        {
            foreach (Tensor copy in _copies.Values)
            {
                copy.Dispose();
            }

            _copies.Clear();
            _disposed = true;
        }
    }

    /// <summary>The position of each token, int32 <c>[B * T]</c>, made when first asked for.</summary>
    internal Tensor On(Device device)
    {
        if (Packed is not null)
        {
            return Packed.On(device).Positions;
        }

        lock (_copies)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (!_copies.TryGetValue(device, out Tensor? copy))
            {
                int[] positions = Positions();
                _copies[device] = copy = TensorScope.Release(Tensor.From(positions, [positions.Length], device));
            }

            return copy;
        }
    }

    private int[] Positions()
    {
        int[] positions = new int[Batch * Tokens];
        for (long b = 0; b < Batch; b++)
        {
            for (long t = 0; t < Tokens; t++)
            {
                positions[(b * Tokens) + t] = checked((int)(_first[b] + t));
            }
        }

        return positions;
    }
}
