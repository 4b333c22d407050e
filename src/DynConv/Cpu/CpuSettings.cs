namespace DynConv.Cpu;

/// <summary>How the CPU is used by this process.</summary>
public static class CpuSettings
{
    /// <summary>
    /// Threads that ops run on, the calling one included: all cores, or what <c>DYNCONV_THREADS</c> says. Results do not
    /// depend on it.
    /// </summary>
    public static int Threads
    {
        get => Workers.Count;
        set => Workers.Count = value;
    }

    /// <summary>
    /// Bits of the vectors that kernels use: the widest that the machine has, or what <c>DYNCONV_SIMD</c> says; 0 for
    /// none.
    /// </summary>
    public static int VectorBits => (int)Simd.Level;
}
