using System.Runtime.InteropServices;

namespace DynConv.Cuda;

/// <summary>
/// Finds the fastest of the algorithms that cuBLASLt proposes for a product, once on a machine: what was found is kept on disk,
/// so that every later process takes the same one and has the same bits. Where nothing can be kept, the first proposal is taken.
/// </summary>
internal sealed class AlgorithmSearch
{
    // Small products are many, as with prompts of every length, and their time is mostly that of a launch.
    private const double LeastOperations = 1e10;

    // The library's first proposal is as a rule good, and a smaller difference may be chance.
    private const double WorthIt = 0.98;

    private readonly KernelDiskCache _cache;
    private readonly double _leastOperations;

    /// <param name="cache">Where what is found is kept.</param>
    /// <param name="leastOperations">Smaller products are computed as the library proposes.</param>
    public AlgorithmSearch(KernelDiskCache cache, double leastOperations = LeastOperations)
    {
        _cache = cache;
        _leastOperations = leastOperations;
    }

    /// <summary>Whether products are measured at all: not with <c>DYNCONV_CUDA_TUNING=0</c>.</summary>
    public static bool IsOn { get; } = Environment.GetEnvironmentVariable("DYNCONV_CUDA_TUNING") != "0";

    /// <summary>Whether a product is worth a search.</summary>
    /// <param name="operations">Multiplications and additions of the product.</param>
    public bool Covers(double operations) => IsOn && operations >= _leastOperations;

    /// <summary>The algorithm for a product.</summary>
    /// <param name="product">All that the best algorithm depends on: shapes, types, card, versions.</param>
    /// <param name="proposals">The library's, its first choice first.</param>
    /// <param name="times">Measures proposals, in seconds; infinite where one does not work.</param>
    public CublasLtAlgorithm Choose(
        string product, CublasLtAlgorithm[] proposals, Func<CublasLtAlgorithm[], double[]> times)
    {
        string file = _cache.FileOf(product);
        if (Read(file, proposals) is { } known)
        {
            return known;
        }

        double[] seconds = times(proposals);
        int best = Array.IndexOf(seconds, seconds.Min());
        CublasLtAlgorithm found = seconds[best] < WorthIt * seconds[0] ? proposals[best] : proposals[0];

        // What stands there is damaged or another library's; or another process was faster, and both are to have the same bits.
        _cache.Write(file, Bytes(found).ToArray(), overwrite: Read(file, proposals) is null);
        return Read(file, proposals) ?? proposals[0];
    }

    private static CublasLtAlgorithm? Read(string file, CublasLtAlgorithm[] proposals)
    {
        byte[]? kept = KernelDiskCache.Read(file);
        foreach (CublasLtAlgorithm proposal in proposals)
        {
            if (kept is not null && Bytes(proposal).SequenceEqual(kept))
            {
                return proposal;
            }
        }

        return null;
    }

    private static ReadOnlySpan<byte> Bytes(in CublasLtAlgorithm algorithm) =>
        MemoryMarshal.AsBytes(new ReadOnlySpan<CublasLtAlgorithm>(in algorithm));
}
