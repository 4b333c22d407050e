using System.Runtime.CompilerServices;
using DynConv.Cpu;

namespace DynConv.Ops;

public static unsafe partial class GradientNorm
{
    private static void SquaredSumCpu(ReadOnlySpan<Tensor> gradients, Tensor result)
    {
        double sum = 0;
        foreach (Tensor gradient in gradients)
        {
            sum += BlockSum.Of(default(Square), gradient);
        }

        *result.Float() = (float)sum;
    }

    private static void ClipScaleCpu(Tensor squaredSum, float maximumNorm, float scale, Tensor factor)
    {
        float norm = MathF.Sqrt(*squaredSum.Float());
        *factor.Float() = !float.IsFinite(norm) ? float.NaN : scale * norm > maximumNorm ? maximumNorm / norm : scale;
    }

    private readonly struct Square : ISumTerm
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Of<TSimd, TVector>(TVector x)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct => TSimd.Multiply(x, x);
    }
}
