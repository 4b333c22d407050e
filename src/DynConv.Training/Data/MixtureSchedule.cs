namespace DynConv.Training.Data;

/// <summary>
/// Says from which source of a mixture a sample is, and the how manieth of that source. Both follow from the number of the
/// sample alone, so that a run can go on from anywhere.
/// </summary>
/// <remarks>
/// Samples are dealt in blocks. In each block every source has the same number of places, in proportion to its share and one
/// at least, and each block has an order of its own. A block is as short as the shares allow, 10 samples for 0.7 and 0.3, and
/// about 10,000 at most; shares are met to a ten-thousandth.
/// </remarks>
internal sealed class MixtureSchedule
{
    private const int LongestBlock = 10_000;

    private readonly ulong _seed;
    private readonly int[] _ends;
    private readonly int _block;

    public MixtureSchedule(IReadOnlyList<double> shares, ulong seed)
    {
        _seed = RandomPermutation.Mix(seed ^ 0x6D697874757265);
        int[] places = Places(shares);
        _block = places.Sum();
        _ends = new int[places.Length];
        for (int i = 0, end = 0; i < places.Length; i++)
        {
            _ends[i] = end += places[i];
        }
    }

    /// <summary>The source of a sample, and the number of the sample among those of its source.</summary>
    public (int Source, long Number) this[long sample]
    {
        get
        {
            (long block, long index) = Math.DivRem(sample, _block);
            int place = (int)new RandomPermutation(_block, RandomPermutation.Mix(_seed ^ (ulong)block))[index];
            int source = 0;
            while (place >= _ends[source])
            {
                source++;
            }

            int start = source == 0 ? 0 : _ends[source - 1];
            return (source, (block * (_ends[source] - start)) + (place - start));
        }
    }

    private static int[] Places(IReadOnlyList<double> shares)
    {
        for (int block = shares.Count; block < LongestBlock; block++)
        {
            if (shares.All(share => Math.Abs((share * block) - Math.Round(share * block)) < 1e-6 && share * block >= 0.5))
            {
                return [.. shares.Select(share => (int)Math.Round(share * block))];
            }
        }

        return [.. shares.Select(static share => Math.Max(1, (int)Math.Round(share * LongestBlock)))];
    }
}
