using System.Runtime.CompilerServices;
using DynConv.Cpu;

namespace DynConv.Ops;

public static unsafe partial class SwiGlu
{
    private static void ForwardCpu(Tensor gate, Tensor up, Tensor y) =>
        ElementLoop.Run(default(ForwardKernel), gate, up, y);

    // A gradient that nobody wants goes nowhere.
    private static void BackwardCpu(Tensor dy, Tensor gate, Tensor up, GradientRows dgate, GradientRows dup) =>
        ElementLoop.Run(
            new BackwardKernel(dgate.Accumulate, dup.Accumulate),
            dy,
            gate,
            up,
            dgate.Tensor ?? Nowhere(gate),
            dup.Tensor ?? Nowhere(up));

    private static Tensor Nowhere(Tensor like) => Tensor.Empty(like.Shape, like.DType, like.Device);

    private readonly struct ForwardKernel : IElementKernel
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TSimd, TVector>(float** rows, long i)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            TVector gate = TSimd.Load(rows[0] + i);
            TVector silu = TSimd.Multiply(gate, Simd.Sigmoid<TSimd, TVector>(gate));
            TSimd.Store(rows[2] + i, TSimd.Multiply(silu, TSimd.Load(rows[1] + i)));
        }
    }

    private readonly struct BackwardKernel(bool addGate, bool addUp) : IElementKernel
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TSimd, TVector>(float** rows, long i)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            TVector dy = TSimd.Load(rows[0] + i);
            TVector gate = TSimd.Load(rows[1] + i);
            TVector up = TSimd.Load(rows[2] + i);
            TVector sigmoid = Simd.Sigmoid<TSimd, TVector>(gate);
            TVector silu = TSimd.Multiply(gate, sigmoid);

            // silu'(z) = s + silu(z) (1 - s) with s = sigmoid(z).
            TVector rest = TSimd.Subtract(TSimd.Broadcast(1f), sigmoid);
            TVector slope = TSimd.MultiplyAdd(silu, rest, sigmoid);
            TVector dgate = TSimd.Multiply(TSimd.Multiply(dy, up), slope);
            ElementLoop.Write<TSimd, TVector>(rows[3] + i, dgate, addGate);
            ElementLoop.Write<TSimd, TVector>(rows[4] + i, TSimd.Multiply(dy, silu), addUp);
        }
    }
}
