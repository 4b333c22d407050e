namespace DynConv.Ops;

/// <summary>
/// Where sequences of different lengths begin and end in one row of tokens, so that no op mixes neighbours.
/// </summary>
/// <remarks>
/// What kernels read of it is made on each device with the first op there that needs it, and kept for later ones. Whoever
/// made the object disposes it when no op and no gradient needs it any more.
/// </remarks>
public sealed class PackedSequences : IDisposable
{
    private readonly long[] _cuSeqlens;
    private readonly Dictionary<Device, PackedPlaces> _places = [];
    private bool _disposed;

    /// <summary>Takes cumulative sequence lengths.</summary>
    /// <param name="cuSeqlens">
    /// N + 1 positions: sequence n occupies <c>cuSeqlens[n] .. cuSeqlens[n + 1] - 1</c>. The first is 0; an entry equal
    /// to the one before makes an empty sequence.
    /// </param>
    /// <exception cref="ArgumentException">The first position is not 0, or one is below the one before it.</exception>
    public PackedSequences(ReadOnlySpan<long> cuSeqlens)
    {
        if (cuSeqlens.Length < 1 || cuSeqlens[0] != 0)
        {
            throw new ArgumentException("cuSeqlens has to start with 0.", nameof(cuSeqlens));
        }

        for (int i = 1; i < cuSeqlens.Length; i++)
        {
            if (cuSeqlens[i] < cuSeqlens[i - 1])
            {
                throw new ArgumentException($"cuSeqlens falls from {cuSeqlens[i - 1]} to {cuSeqlens[i]} at {i}.", nameof(cuSeqlens));
            }

            Longest = Math.Max(Longest, cuSeqlens[i] - cuSeqlens[i - 1]);
        }

        _cuSeqlens = cuSeqlens.ToArray();
    }

    /// <summary>Number of sequences, N.</summary>
    public int Count => _cuSeqlens.Length - 1;

    /// <summary>Number of tokens of all sequences together.</summary>
    public long Tokens => _cuSeqlens[^1];

    /// <summary>Number of tokens of the longest sequence; 0 without any.</summary>
    public long Longest { get; }

    /// <summary>The N + 1 positions.</summary>
    public ReadOnlySpan<long> CuSeqlens => _cuSeqlens;

    /// <summary>Gives the memory of what kernels read back, on every device.</summary>
    public void Dispose()
    {
        lock (_places)
        {
            foreach (PackedPlaces places in _places.Values)
            {
                places.Dispose();
            }

            _places.Clear();
            _disposed = true;
        }
    }

    /// <summary>What kernels of a device read, made when first asked for.</summary>
    internal PackedPlaces On(Device device)
    {
        lock (_places)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (!_places.TryGetValue(device, out PackedPlaces? places))
            {
                _places[device] = places = new PackedPlaces(this, device);
            }

            // Kernels compute nothing while a device prepares: what it was asked for then is filled later.
            places.Fill();
            return places;
        }
    }
}
