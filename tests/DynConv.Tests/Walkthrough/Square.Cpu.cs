using System.Runtime.CompilerServices;
using DynConv.Cpu;

namespace DynConv.Ops;

public static unsafe partial class Square
{
    private static void ForwardCpu(Tensor x, Tensor y) => ElementLoop.Run(default(ForwardKernel), x, y);

    private static void BackwardCpu(Tensor x, Tensor dy, Tensor dx, bool accumulate) =>
        ElementLoop.Run(new BackwardKernel(accumulate), x, dy, dx);

    private readonly struct ForwardKernel : IElementKernel
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TSimd, TVector>(float** rows, long i)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            TVector x = TSimd.Load(rows[0] + i);
            TSimd.Store(rows[1] + i, TSimd.Multiply(x, x));
        }
    }

    private readonly struct BackwardKernel(bool accumulate) : IElementKernel
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TSimd, TVector>(float** rows, long i)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            TVector x = TSimd.Load(rows[0] + i);
            TVector dy = TSimd.Load(rows[1] + i);
            ElementLoop.Write<TSimd, TVector>(rows[2] + i, TSimd.Multiply(TSimd.Add(x, x), dy), accumulate);
        }
    }
}
