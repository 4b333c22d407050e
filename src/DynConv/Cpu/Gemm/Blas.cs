namespace DynConv.Cpu;

/// <summary>What can compute matrix products on the CPU.</summary>
public enum BlasBackend
{
    /// <summary>This library's own kernel.</summary>
    Managed,

    /// <summary>The machine's OpenBLAS.</summary>
    OpenBlas,
}

/// <summary>Which OpenBLAS the machine has.</summary>
/// <param name="LibraryPath">The library's file; null if none was loaded.</param>
/// <param name="Configuration">
/// The library's version and options in its own words, as in <c>OpenBLAS 0.3.21 DYNAMIC_ARCH … (Zen)</c>, with the
/// processor that it chose its kernels for; null if none was loaded.
/// </param>
/// <param name="Reason">Why none was loaded, in the loader's words; null if one was.</param>
public sealed record OpenBlasInfo(string? LibraryPath, string? Configuration, string? Reason);

/// <summary>Chooses what computes matrix products on the CPU.</summary>
public static class Blas
{
    private static BlasBackend? _backend;

    /// <summary>
    /// The backend in use. At first the one that the environment variable <c>DYNCONV_BLAS</c> names, <c>managed</c> or
    /// <c>openblas</c>; where it names none, OpenBLAS if the machine has it.
    /// </summary>
    /// <exception cref="DynConvException">
    /// OpenBLAS is asked for and cannot be loaded, or the variable names something else.
    /// </exception>
    public static BlasBackend Backend
    {
        get => _backend ??= Choose(Environment.GetEnvironmentVariable("DYNCONV_BLAS"));
        set => _backend = value == BlasBackend.Managed ? value : RequireOpenBlas();
    }

    /// <summary>The machine's OpenBLAS, or why there is none. The first look loads it.</summary>
    public static OpenBlasInfo OpenBlasInfo => OpenBlas.Info;

    internal static BlasBackend Choose(string? asked) => asked switch
    {
        null or "" => OpenBlas.IsAvailable ? BlasBackend.OpenBlas : BlasBackend.Managed,
        "managed" => BlasBackend.Managed,
        "openblas" => RequireOpenBlas(),
        _ => throw new DynConvException($"DYNCONV_BLAS is '{asked}'; use managed or openblas."),
    };

    private static BlasBackend RequireOpenBlas() => OpenBlas.IsAvailable
        ? BlasBackend.OpenBlas
        : throw new DynConvException(
            $"OpenBLAS is asked for and cannot be loaded: {OpenBlas.Info.Reason} Install libopenblas, or use DYNCONV_BLAS=managed.");
}
