using System.Runtime.CompilerServices;
using DynConv.Cpu;

namespace DynConv.Ops;

public static unsafe partial class LinearCrossEntropy
{
    private static void AddScaledCpu(Tensor values, Tensor factor, Tensor sum, bool accumulate)
    {
        float number = *factor.Float();
        if (number != 1 || !ReferenceEquals(values, sum))
        {
            ElementLoop.Run(new AddScaledKernel(number, accumulate), values, sum);
        }
    }

    private readonly struct AddScaledKernel(float factor, bool accumulate) : IElementKernel
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TSimd, TVector>(float** rows, long i)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct =>
            ElementLoop.Write<TSimd, TVector>(
                rows[1] + i, TSimd.Multiply(TSimd.Load(rows[0] + i), TSimd.Broadcast(factor)), accumulate);
    }
}
