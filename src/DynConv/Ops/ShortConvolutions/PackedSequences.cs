namespace DynConv.Ops;

/// <summary>
/// Where sequences of different lengths begin and end in one row of tokens, so that no op mixes neighbours.
/// </summary>
/// <remarks>
/// A GPU gets its copy of the bounds with the first op there. Whoever made the object disposes it when no op and no
/// gradient needs it any more; on the CPU there is nothing to give back.
/// </remarks>
public sealed class PackedSequences : IDisposable
{
    private readonly long[] _cuSeqlens;
    private readonly Dictionary<Device, PackedPlaces> _places = [];

    /// <summary>Takes cumulative sequence lengths.</summary>
    /// <param name="cuSeqlens">
    /// N + 1 positions: sequence n occupies <c>cuSeqlens[n] .. cuSeqlens[n + 1] - 1</c>. The first is 0; an entry equal
    /// to the one before makes an empty sequence.
    /// </param>
    public PackedSequences(ReadOnlySpan<long> cuSeqlens)
    {
        if (cuSeqlens.Length < 1 || cuSeqlens[0] != 0)
        {
            throw new DynConvException("cuSeqlens has to start with 0.");
        }

        for (int i = 1; i < cuSeqlens.Length; i++)
        {
            if (cuSeqlens[i] < cuSeqlens[i - 1])
            {
                throw new DynConvException($"cuSeqlens falls from {cuSeqlens[i - 1]} to {cuSeqlens[i]} at {i}.");
            }
        }

        _cuSeqlens = cuSeqlens.ToArray();
    }

    /// <summary>Number of sequences, N.</summary>
    public int Count => _cuSeqlens.Length - 1;

    /// <summary>Number of tokens of all sequences together.</summary>
    public long Tokens => _cuSeqlens[^1];

    /// <summary>The N + 1 positions.</summary>
    public ReadOnlySpan<long> CuSeqlens => _cuSeqlens;

    /// <summary>Gives the memory of the copies on GPUs back.</summary>
    public void Dispose()
    {
        lock (_places)
        {
            foreach (PackedPlaces places in _places.Values)
            {
                places.Dispose();
            }

            _places.Clear();
        }
    }

    /// <summary>The copy on a device, uploaded when first asked for.</summary>
    internal PackedPlaces On(Device device)
    {
        lock (_places)
        {
            if (!_places.TryGetValue(device, out PackedPlaces? places))
            {
                _places[device] = places = new PackedPlaces(this, device);
            }

            return places;
        }
    }
}
