using System.Runtime.CompilerServices;
using DynConv.Cpu;

namespace DynConv.Ops;

public static unsafe partial class Elementwise
{
    internal static void AddCpu(Tensor a, Tensor b, Tensor sum, float factor = 1) => ElementLoop.Run(new AddKernel(factor), a, b, sum);

    private static void MultiplyCpu(Tensor a, Tensor b, Tensor product, bool accumulate) =>
        ElementLoop.Run(new MultiplyKernel(accumulate), a, b, product);

    private static void DivideCpu(Tensor a, Tensor b, Tensor quotient, bool accumulate) =>
        ElementLoop.Run(new DivideKernel(accumulate), a, b, quotient);

    private static void ScaleCpu(Tensor x, float factor, float offset, Tensor scaled, bool accumulate) =>
        ElementLoop.Run(new ScaleKernel(factor, offset, accumulate), x, scaled);

    // With a factor of 1 or -1 the product is exact, and the result rounds once.
    private readonly struct AddKernel(float factor) : IElementKernel
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TSimd, TVector>(float** rows, long i)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct =>
            TSimd.Store(rows[2] + i, TSimd.MultiplyAdd(TSimd.Load(rows[1] + i), TSimd.Broadcast(factor), TSimd.Load(rows[0] + i)));
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

    private readonly struct DivideKernel(bool accumulate) : IElementKernel
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TSimd, TVector>(float** rows, long i)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            TVector quotient = TSimd.Divide(TSimd.Load(rows[0] + i), TSimd.Load(rows[1] + i));
            ElementLoop.Write<TSimd, TVector>(rows[2] + i, quotient, accumulate);
        }
    }

    private readonly struct ScaleKernel(float factor, float offset, bool accumulate) : IElementKernel
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TSimd, TVector>(float** rows, long i)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            TVector scaled = TSimd.MultiplyAdd(TSimd.Load(rows[0] + i), TSimd.Broadcast(factor), TSimd.Broadcast(offset));
            ElementLoop.Write<TSimd, TVector>(rows[1] + i, scaled, accumulate);
        }
    }
}
