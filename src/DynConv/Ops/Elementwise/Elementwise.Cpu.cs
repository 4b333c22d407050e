using System.Runtime.CompilerServices;
using DynConv.Cpu;

namespace DynConv.Ops;

public static unsafe partial class Elementwise
{
    internal static void AddCpu(Tensor a, Tensor b, Tensor sum) => ElementLoop.Run(default(AddKernel), a, b, sum);

    private static void MultiplyCpu(Tensor a, Tensor b, Tensor product, bool accumulate) =>
        ElementLoop.Run(new MultiplyKernel(accumulate), a, b, product);

    private static void ScaleCpu(Tensor x, float factor, Tensor scaled, bool accumulate) =>
        ElementLoop.Run(new ScaleKernel(factor, accumulate), x, scaled);

    private static void SumCpu(Tensor x, Tensor sum) => *sum.Float() = (float)BlockSum.Of(default(Identity), x);

    private readonly struct AddKernel : IElementKernel
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TSimd, TVector>(float** rows, long i)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct =>
            TSimd.Store(rows[2] + i, TSimd.Add(TSimd.Load(rows[0] + i), TSimd.Load(rows[1] + i)));
    }

    private readonly struct MultiplyKernel(bool accumulate) : IElementKernel
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TSimd, TVector>(float** rows, long i)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            TVector product = TSimd.Multiply(TSimd.Load(rows[0] + i), TSimd.Load(rows[1] + i));
            ElementLoop.Write<TSimd, TVector>(rows[2] + i, product, accumulate);
        }
    }

    private readonly struct ScaleKernel(float factor, bool accumulate) : IElementKernel
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TSimd, TVector>(float** rows, long i)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            TVector scaled = TSimd.Multiply(TSimd.Load(rows[0] + i), TSimd.Broadcast(factor));
            ElementLoop.Write<TSimd, TVector>(rows[1] + i, scaled, accumulate);
        }
    }

    private readonly struct Identity : ISumTerm
    {
        public TVector Of<TSimd, TVector>(TVector x)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct => x;
    }
}
