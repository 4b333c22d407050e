using System.Runtime.CompilerServices;
using DynConv.Cpu;

namespace DynConv.Ops;

public static unsafe partial class RecurrenceGates
{
    private static void ForwardCpu(Gate gate, Tensor x, Tensor? bias, Tensor? rate, float factor, Tensor y) =>
        ElementLoop.Run(new ForwardKernel(gate, factor), x, bias ?? x, rate ?? x, y);

    private static void BackwardCpu(Gate gate, Tensor dy, Tensor x, Tensor? bias, Tensor? rate, float factor, Tensor dx) =>
        ElementLoop.Run(new BackwardKernel(gate, factor), dy, x, bias ?? x, rate ?? x, dx);

    private readonly struct ForwardKernel(Gate gate, float factor) : IElementKernel
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TSimd, TVector>(float** rows, long i)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            TVector x = TSimd.Load(rows[0] + i);
            TVector y = gate == Gate.Sigmoid
                ? TSimd.Multiply(TSimd.Broadcast(factor), Simd.Sigmoid<TSimd, TVector>(x))
                : Simd.Softplus<TSimd, TVector>(TSimd.Add(x, TSimd.Load(rows[1] + i)));
            TSimd.Store(rows[3] + i, gate == Gate.LogDecays ? Decaying<TSimd, TVector>(TSimd.Load(rows[2] + i), y) : y);
        }
    }

    private readonly struct BackwardKernel(Gate gate, float factor) : IElementKernel
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TSimd, TVector>(float** rows, long i)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            TVector x = TSimd.Load(rows[1] + i);
            TVector s = Simd.Sigmoid<TSimd, TVector>(gate == Gate.Sigmoid ? x : TSimd.Add(x, TSimd.Load(rows[2] + i)));
            TVector slope = gate switch
            {
                Gate.Sigmoid => TSimd.Multiply(TSimd.Multiply(TSimd.Broadcast(factor), s), TSimd.Subtract(TSimd.Broadcast(1f), s)),
                Gate.LogDecays => Decaying<TSimd, TVector>(TSimd.Load(rows[3] + i), s),
                _ => s,
            };
            TSimd.Store(rows[4] + i, TSimd.Multiply(TSimd.Load(rows[0] + i), slope));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Decaying<TSimd, TVector>(TVector rate, TVector step)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct => TSimd.Subtract(TSimd.Zero, TSimd.Multiply(Simd.Exp<TSimd, TVector>(rate), step));
}
