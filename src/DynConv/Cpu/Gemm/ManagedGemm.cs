namespace DynConv.Cpu;

/// <summary>The managed matrix product, in the way that suits its shape.</summary>
internal readonly struct ManagedGemm(GemmProblem problem) : ISimdKernel
{
    // Packing pays for itself beyond this many rows, and earlier where dot products are so short that the sums of their
    // lanes weigh in.
    private const long MaxDotRows = 24;
    private const long MinDepthPerDotRow = 16;

    /// <summary>Whether a product has so few rows or columns that dot products are the fastest way to it.</summary>
    public static bool IsForDotProducts(in GemmProblem problem)
    {
        long few = Math.Min(problem.M, problem.N);
        return !problem.A.Transposed && problem.B.Transposed
            && (few == 1 || few <= Math.Min(MaxDotRows, problem.K / MinDepthPerDotRow));
    }

    public void Invoke<TSimd, TVector>()
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        if (IsForDotProducts(problem))
        {
            DotGemm<TSimd, TVector>.Multiply(problem);
        }
        else
        {
            PackedGemm<TSimd, TVector>.Multiply(problem);
        }
    }
}
