using System.Runtime.CompilerServices;
using DynConv.Cpu;

namespace DynConv.Ops;

public static unsafe partial class AdamW
{
    private static void StepCpu(
        Tensor parameter,
        Tensor gradient,
        Tensor firstMoment,
        Tensor secondMoment,
        AdamWSettings settings,
        long step,
        float gradientScale)
    {
        double correction1 = 1 - Math.Pow(settings.Beta1, step);
        double correction2 = 1 - Math.Pow(settings.Beta2, step);
        var kernel = new Kernel(
            GradientScale: gradientScale,
            Kept: (float)(1 - (settings.LearningRate * settings.WeightDecay)),
            Beta1: (float)settings.Beta1,
            New1: (float)(1 - settings.Beta1),
            Beta2: (float)settings.Beta2,
            New2: (float)(1 - settings.Beta2),
            RootFactor: (float)(1 / Math.Sqrt(correction2)),
            Epsilon: (float)settings.Epsilon,
            StepSize: (float)(settings.LearningRate / correction1));
        ElementLoop.Run(kernel, parameter, gradient, firstMoment, secondMoment);
    }

    private readonly record struct Kernel(
        float GradientScale,
        float Kept,
        float Beta1,
        float New1,
        float Beta2,
        float New2,
        float RootFactor,
        float Epsilon,
        float StepSize) : IElementKernel
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TSimd, TVector>(float** rows, long i)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            TVector g = TSimd.Multiply(TSimd.Load(rows[1] + i), TSimd.Broadcast(GradientScale));
            TVector m = Decay<TSimd, TVector>(rows[2] + i, Beta1, TSimd.Multiply(g, TSimd.Broadcast(New1)));
            TVector fresh = TSimd.Multiply(TSimd.Multiply(g, g), TSimd.Broadcast(New2));
            TVector v = Decay<TSimd, TVector>(rows[3] + i, Beta2, fresh);
            TVector root = TSimd.MultiplyAdd(TSimd.Sqrt(v), TSimd.Broadcast(RootFactor), TSimd.Broadcast(Epsilon));
            TVector change = TSimd.Divide(TSimd.Multiply(m, TSimd.Broadcast(StepSize)), root);
            TVector kept = TSimd.Multiply(TSimd.Load(rows[0] + i), TSimd.Broadcast(Kept));
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
