namespace DynConv.Cpu;

/// <summary>Chooses what computes matrix products on the CPU.</summary>
public static class Blas
{
    private static BlasBackend? _backend;

    /// <summary>
    /// The backend in use: the one that the environment variable <c>DYNCONV_BLAS</c> names, <c>managed</c> or
    /// <c>openblas</c>. Where it names none, OpenBLAS if the machine has it, but on a processor with 512-bit vectors the
    /// managed kernel: a little faster there, and twice as fast where the OpenBLAS does not know the processor and drives it
    /// with kernels for 256-bit ones.
    /// </summary>
    /// <exception cref="DynConvException">
    /// OpenBLAS is asked for and cannot be loaded, or the variable names something else.
    /// </exception>
    public static BlasBackend Backend =>
        _backend ??= Choose(Environment.GetEnvironmentVariable("DYNCONV_BLAS"), () => OpenBlasInfo, Simd.Level);

    /// <summary>The machine's OpenBLAS, or why there is none. The first look loads it.</summary>
    public static OpenBlasInfo OpenBlasInfo => OpenBlas.Info;

    // The library is looked for only if the answer depends on it.
    internal static BlasBackend Choose(string? asked, Func<OpenBlasInfo> openBlas, SimdLevel level) => asked switch
    {
        null or "" => level < SimdLevel.Vector512 && openBlas().IsAvailable ? BlasBackend.OpenBlas : BlasBackend.Managed,
        "managed" => BlasBackend.Managed,
        "openblas" => RequireOpenBlas(openBlas()),
        _ => throw new DynConvException($"DYNCONV_BLAS is '{asked}'; use managed or openblas."),
    };

    /// <exception cref="DynConvException">The backend is OpenBLAS, and it cannot be loaded.</exception>
    internal static void Require(BlasBackend backend) => _ = backend == BlasBackend.OpenBlas ? RequireOpenBlas(OpenBlasInfo) : backend;

    private static BlasBackend RequireOpenBlas(OpenBlasInfo openBlas) => openBlas.IsAvailable
        ? BlasBackend.OpenBlas
        : throw new DynConvException(
            $"OpenBLAS is asked for and cannot be loaded ({openBlas.Reason}); install it, or set DYNCONV_BLAS=managed.");
}
