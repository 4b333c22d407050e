using System.Runtime.CompilerServices;
using DynConv.Cpu;

namespace DynConv.Ops;

public static unsafe partial class Muon
{
    private static void StepCpu(
        Tensor parameter, Tensor gradient, Tensor momentum, int steps, Factors factors, Tensor? gradientScale)
    {
        float scale = gradientScale is null ? factors.Gradient : factors.Gradient * *gradientScale.Float();
        if (float.IsNaN(scale))
        {
            return;
        }

        Tensor direction = Tensor.Empty(parameter.Shape);
        ElementLoop.Run(new MomentumKernel(factors with { Gradient = scale }), gradient, momentum, direction);
        ElementLoop.Run(new UpdateKernel(factors), parameter, Iterate(direction, steps));
    }

    private static void NormalizeCpu(Tensor x, Tensor squaredNorm) =>
        ElementLoop.Run(new NormalizeKernel((float)Stretch / MathF.Max(MathF.Sqrt(*squaredNorm.Float()), LeastNorm)), x);

    private readonly struct MomentumKernel(Factors factors) : IElementKernel
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TSimd, TVector>(float** rows, long i)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            TVector g = TSimd.Multiply(TSimd.Load(rows[0] + i), TSimd.Broadcast(factors.Gradient));
            TVector fresh = TSimd.Multiply(g, TSimd.Broadcast(factors.Fresh));
            TVector kept = TSimd.Broadcast(factors.Momentum);
            TVector m = TSimd.MultiplyAdd(TSimd.Load(rows[1] + i), kept, fresh);
            TSimd.Store(rows[1] + i, m);
            TSimd.Store(rows[2] + i, TSimd.MultiplyAdd(m, kept, fresh));
        }
    }

    private readonly struct NormalizeKernel(float factor) : IElementKernel
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TSimd, TVector>(float** rows, long i)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct =>
            TSimd.Store(rows[0] + i, TSimd.Multiply(TSimd.Load(rows[0] + i), TSimd.Broadcast(factor)));
    }

    private readonly struct UpdateKernel(Factors factors) : IElementKernel
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TSimd, TVector>(float** rows, long i)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            TVector change = TSimd.Multiply(TSimd.Load(rows[1] + i), TSimd.Broadcast(factors.Step));
            TVector kept = TSimd.Multiply(TSimd.Load(rows[0] + i), TSimd.Broadcast(factors.Kept));
            TSimd.Store(rows[0] + i, TSimd.Subtract(kept, change));
        }
    }
}
