namespace DynConv.Cpu;

/// <summary>The managed matrix product, in the way that suits its shape.</summary>
internal readonly struct ManagedGemm(GemmProblem problem) : ISimdKernel
{
    public void Invoke<TSimd, TVector>()
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        if (DotGemm<TSimd, TVector>.Suits(problem))
        {
            DotGemm<TSimd, TVector>.Multiply(problem);
        }
        else
        {
            PackedGemm<TSimd, TVector>.Multiply(problem);
        }
    }
}
