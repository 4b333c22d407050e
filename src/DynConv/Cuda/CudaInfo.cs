namespace DynConv.Cuda;

/// <summary>A card as the driver describes it.</summary>
/// <param name="Index">Its number in <c>cuda:0</c>.</param>
/// <param name="Name">As in <c>NVIDIA H200</c>.</param>
/// <param name="ComputeCapability">As in <c>9.0</c>.</param>
/// <param name="MemoryBytes">All of its memory.</param>
/// <param name="Multiprocessors">Their number.</param>
/// <param name="IsSupported">Whether its compute capability is new enough.</param>
public sealed record CudaCard(
    int Index, string Name, string ComputeCapability, long MemoryBytes, int Multiprocessors, bool IsSupported);

/// <summary>What a machine has of all that computing on a card takes.</summary>
/// <param name="Problem">Why no card can be used, and what to install; null if one can.</param>
/// <param name="DriverVersion">The newest CUDA version that the driver knows; null without a driver.</param>
/// <param name="CompilerVersion">NVRTC's version; null where it is missing.</param>
/// <param name="ProductsVersion">cuBLASLt's version; null where it is missing.</param>
/// <param name="Cards">All cards, in the driver's order.</param>
/// <param name="CacheFolder">Where compiled kernels are kept.</param>
/// <param name="CacheBytes">How much lies there.</param>
public sealed record CudaInfo(
    string? Problem,
    string? DriverVersion,
    string? CompilerVersion,
    string? ProductsVersion,
    IReadOnlyList<CudaCard> Cards,
    string CacheFolder,
    long CacheBytes)
{
    /// <summary>Looks; opens no card.</summary>
    public static CudaInfo Read()
    {
        int count = CudaContext.Count(out string? problem);
        CudaCard[] cards = [.. Enumerable.Range(0, count).Select(CudaContext.Describe)];
        if (problem is null && !cards.Any(card => card.IsSupported))
        {
            problem = $"no card has compute capability {CudaContext.OldestCapability} or newer";
        }

        return new CudaInfo(
            problem,
            VersionOf(CudaLibraries.Driver, static () => CudaContext.DriverVersion),
            VersionOf(CudaLibraries.Nvrtc, static () => KernelCompiler.Version),
            VersionOf(CudaLibraries.CublasLt, static () => CudaMatMul.Version),
            cards,
            KernelDiskCache.DefaultFolder,
            Directory.Exists(KernelDiskCache.DefaultFolder)
                ? new DirectoryInfo(KernelDiskCache.DefaultFolder).EnumerateFiles().Sum(file => file.Length)
                : 0);
    }

    private static string? VersionOf(string library, Func<string> version) =>
        CudaLibraries.TryLoad(library, out _) ? version() : null;
}
