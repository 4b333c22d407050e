namespace DynConv.Cpu;

/// <summary>How the CPU is used.</summary>
public static class CpuSettings
{
    /// <summary>
    /// Threads that the calling thread's ops run on, itself included: all cores or what <c>DYNCONV_THREADS</c> says, unless
    /// <see cref="LimitThreads"/> gives another number. Results do not depend on it.
    /// </summary>
    /// <exception cref="DynConvException"><c>DYNCONV_THREADS</c> is no whole number from 1.</exception>
    public static int Threads => Workers.Count;

    /// <summary>
    /// Has the calling thread's ops run on so many threads at most, until the result is disposed:
    /// <c>using (CpuSettings.LimitThreads(1)) { … }</c>. Other threads do not notice. Inside another limit this one holds,
    /// and at its end the outer one again.
    /// </summary>
    /// <param name="count">From 1; may be more than the machine has cores.</param>
    /// <returns>Ends the limit, once, on the thread that it was made on.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="count"/> is less than 1.</exception>
    public static IDisposable LimitThreads(int count) => Workers.Limit(count);

    /// <summary>
    /// Bits of the vectors that kernels use: the widest that the machine has, or what <c>DYNCONV_SIMD</c> says; 0 for
    /// none.
    /// </summary>
    public static int VectorBits => (int)Simd.Level;
}
