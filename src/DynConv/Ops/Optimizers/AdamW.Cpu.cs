using System.Runtime.CompilerServices;
using DynConv.Cpu;

namespace DynConv.Ops;

public static unsafe partial class AdamW
{
    private static void StepCpu(
        Tensor parameter, Tensor gradient, Tensor firstMoment, Tensor secondMoment, Factors factors, Tensor? gradientScale)
    {
        float scale = gradientScale is null ? factors.Gradient : factors.Gradient * *gradientScale.Float();
        if (float.IsNaN(scale))
        {
            return;
        }

        ElementLoop.Run(new Kernel(factors with { Gradient = scale }), parameter, gradient, firstMoment, secondMoment);
    }

    private readonly struct Kernel(Factors factors) : IElementKernel
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TSimd, TVector>(float** rows, long i)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            TVector g = TSimd.Multiply(TSimd.Load(rows[1] + i), TSimd.Broadcast(factors.Gradient));
            TVector m = Decay<TSimd, TVector>(rows[2] + i, factors.Beta1, TSimd.Multiply(g, TSimd.Broadcast(factors.New1)));
            TVector fresh = TSimd.Multiply(TSimd.Multiply(g, g), TSimd.Broadcast(factors.New2));
            TVector v = Decay<TSimd, TVector>(rows[3] + i, factors.Beta2, fresh);
            TVector root = TSimd.MultiplyAdd(TSimd.Sqrt(v), TSimd.Broadcast(factors.Root), TSimd.Broadcast(factors.Epsilon));
            TVector change = TSimd.Divide(TSimd.Multiply(m, TSimd.Broadcast(factors.Step)), root);
            TVector kept = TSimd.Multiply(TSimd.Load(rows[0] + i), TSimd.Broadcast(factors.Kept));
            TSimd.Store(rows[0] + i, TSimd.Subtract(kept, change));
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static TVector Decay<TSimd, TVector>(float* moment, float beta, TVector fresh)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            TVector value = TSimd.MultiplyAdd(TSimd.Load(moment), TSimd.Broadcast(beta), fresh);
            TSimd.Store(moment, value);
            return value;
        }
    }
}
