namespace DynConv.Cpu;

/// <summary>Which OpenBLAS the machine has.</summary>
/// <param name="LibraryPath">The library's file; null if none was loaded or its place cannot be found out.</param>
/// <param name="Configuration">
/// The library's version and options in its own words, as in <c>OpenBLAS 0.3.21 DYNAMIC_ARCH MAX_THREADS=64</c>; null
/// if none was loaded.
/// </param>
/// <param name="Core">
/// The processor that it chose its kernels for, as in <c>Haswell</c> or <c>SkylakeX</c>; null if none was loaded.
/// </param>
/// <param name="Reason">Why none was loaded, in the loader's words; null if one was.</param>
public sealed record OpenBlasInfo(string? LibraryPath, string? Configuration, string? Core, string? Reason)
{
    /// <summary>Whether it was loaded and can be used.</summary>
    public bool IsAvailable => Reason is null;
}
