using System.Runtime.InteropServices;

namespace DynConv.Cpu;

/// <summary>
/// Matrix products on the CPU. The same product gives the same bits on any number of threads; inside a
/// <see cref="Workers"/> block it runs on the calling thread alone.
/// </summary>
internal static unsafe class Gemm
{
    /// <summary>Computes <paramref name="problem"/> with <see cref="Blas.Backend"/>.</summary>
    public static void Multiply(in GemmProblem problem) => Multiply(Blas.Backend, problem);

    /// <summary>
    /// Computes <paramref name="problem"/> with one backend. OpenBLAS packs even a single row, which takes several times
    /// as long as the product itself: few rows or columns go to the managed dot products whatever the backend.
    /// </summary>
    public static void Multiply(BlasBackend backend, in GemmProblem problem)
    {
        if (problem.M == 0 || problem.N == 0)
        {
            return;
        }

        if (problem.K == 0)
        {
            ClearUnlessAccumulating(problem);
        }
        else if (backend == BlasBackend.OpenBlas && OpenBlas.CanMultiply(problem) && !ManagedGemm.IsForDotProducts(problem))
        {
            OpenBlas.Multiply(problem);
        }
        else
        {
            Simd.Run(new ManagedGemm(problem));
        }
    }

    private static void ClearUnlessAccumulating(in GemmProblem problem)
    {
        for (long row = 0; row < problem.M && !problem.Accumulate; row++)
        {
            NativeMemory.Clear(problem.C + (row * problem.CStride), (nuint)(problem.N * sizeof(float)));
        }
    }
}
