namespace DynConv.Cpu;

/// <summary>What can compute matrix products on the CPU.</summary>
public enum BlasBackend
{
    /// <summary>This library's own kernel.</summary>
    Managed,

    /// <summary>The machine's OpenBLAS.</summary>
    OpenBlas,
}
