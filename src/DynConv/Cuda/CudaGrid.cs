namespace DynConv.Cuda;

/// <summary>How many blocks of how many threads a launch has.</summary>
/// <param name="X">Blocks along x, at most 2^31 - 1.</param>
/// <param name="Y">Blocks along y, at most 65,535.</param>
/// <param name="Z">Blocks along z, at most 65,535.</param>
/// <param name="Threads">Threads of a block, along x.</param>
/// <param name="SharedBytes">Dynamic shared memory of a block.</param>
internal readonly record struct CudaGrid(long X, long Y, long Z, int Threads, int SharedBytes)
{
    public CudaGrid(long blocks, int threads, int sharedBytes = 0)
        : this(blocks, 1, 1, threads, sharedBytes)
    {
    }

    public CudaGrid((long X, long Y, long Z) blocks, int threads, int sharedBytes = 0)
        : this(blocks.X, blocks.Y, blocks.Z, threads, sharedBytes)
    {
    }

    /// <summary>As many blocks as it takes to give each of <paramref name="items"/> a thread.</summary>
    public static CudaGrid Covering(long items, int threads) => new((items + threads - 1) / threads, threads);
}
