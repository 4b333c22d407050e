using System.Runtime.CompilerServices;
using DynConv.Cpu;

namespace DynConv.Ops;

public static unsafe partial class Functions
{
    /// <summary>A function and its derivative, at any vector width.</summary>
    private interface IFunction
    {
        static abstract TVector Value<TSimd, TVector>(TVector x)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct;

        /// <summary>The derivative, of the result where <see cref="KeepsResult"/> says so and of x where not.</summary>
        static abstract TVector Slope<TSimd, TVector>(TVector kept)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct;
    }

    private static void ForwardCpu(Function function, Tensor x, Tensor y) => Run(function, new ForwardCall(x, y));

    private static void BackwardCpu(Function function, Tensor dy, Tensor kept, Tensor dx, bool accumulate) =>
        Run(function, new BackwardCall(dy, kept, dx, accumulate));

    private static void Run<TCall>(Function function, TCall call)
        where TCall : ICall
    {
        switch (function)
        {
            case Function.Exp: call.Invoke<ExpFunction>(); break;
            case Function.Log: call.Invoke<LogFunction>(); break;
            case Function.Sqrt: call.Invoke<SqrtFunction>(); break;
            case Function.Tanh: call.Invoke<TanhFunction>(); break;
            case Function.Sigmoid: call.Invoke<SigmoidFunction>(); break;
            case Function.Relu: call.Invoke<ReluFunction>(); break;
            case Function.Silu: call.Invoke<SiluFunction>(); break;
            case Function.Softplus: call.Invoke<SoftplusFunction>(); break;
            default: call.Invoke<GeluFunction>(); break;
        }
    }

    private interface ICall
    {
        void Invoke<TFunction>()
            where TFunction : struct, IFunction;
    }

    private readonly struct ForwardCall(Tensor x, Tensor y) : ICall
    {
        public void Invoke<TFunction>()
            where TFunction : struct, IFunction => ElementLoop.Run(default(ForwardKernel<TFunction>), x, y);
    }

    private readonly struct BackwardCall(Tensor dy, Tensor kept, Tensor dx, bool accumulate) : ICall
    {
        public void Invoke<TFunction>()
            where TFunction : struct, IFunction => ElementLoop.Run(new BackwardKernel<TFunction>(accumulate), dy, kept, dx);
    }

    private readonly struct ForwardKernel<TFunction> : IElementKernel
        where TFunction : struct, IFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TSimd, TVector>(float** rows, long i)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct =>
            TSimd.Store(rows[1] + i, TFunction.Value<TSimd, TVector>(TSimd.Load(rows[0] + i)));
    }

    private readonly struct BackwardKernel<TFunction>(bool accumulate) : IElementKernel
        where TFunction : struct, IFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TSimd, TVector>(float** rows, long i)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            TVector slope = TFunction.Slope<TSimd, TVector>(TSimd.Load(rows[1] + i));
            ElementLoop.Write<TSimd, TVector>(rows[2] + i, TSimd.Multiply(TSimd.Load(rows[0] + i), slope), accumulate);
        }
    }

    private static TVector EachLane<TSimd, TVector>(TVector x, Func<float, float> function)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        float* lanes = stackalloc float[TSimd.Width];
        TSimd.Store(lanes, x);
        for (int i = 0; i < TSimd.Width; i++)
        {
            lanes[i] = function(lanes[i]);
        }

        return TSimd.Load(lanes);
    }

    private readonly struct ExpFunction : IFunction
    {
        // The square of the root: Simd.Exp ends a little before the largest float, and this goes on to infinity.
        public static TVector Value<TSimd, TVector>(TVector x)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            TVector root = Simd.Exp<TSimd, TVector>(TSimd.Multiply(x, TSimd.Broadcast(0.5f)));
            return TSimd.Multiply(root, root);
        }

        public static TVector Slope<TSimd, TVector>(TVector kept)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct => kept;
    }

    private readonly struct LogFunction : IFunction
    {
        // Lane by lane: a logarithm is no part of what a model computes in bulk.
        public static TVector Value<TSimd, TVector>(TVector x)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct => EachLane<TSimd, TVector>(x, MathF.Log);

        public static TVector Slope<TSimd, TVector>(TVector kept)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct => TSimd.Divide(TSimd.Broadcast(1f), kept);
    }

    private readonly struct SqrtFunction : IFunction
    {
        public static TVector Value<TSimd, TVector>(TVector x)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct => TSimd.Sqrt(x);

        public static TVector Slope<TSimd, TVector>(TVector kept)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct => TSimd.Divide(TSimd.Broadcast(0.5f), kept);
    }

    private readonly struct TanhFunction : IFunction
    {
        // Lane by lane, as the logarithm: a quotient of exponentials would lose the digits of a small x.
        public static TVector Value<TSimd, TVector>(TVector x)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct => EachLane<TSimd, TVector>(x, MathF.Tanh);

        public static TVector Slope<TSimd, TVector>(TVector kept)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct =>
            TSimd.MultiplyAdd(TSimd.Subtract(TSimd.Zero, kept), kept, TSimd.Broadcast(1f));
    }

    private readonly struct SigmoidFunction : IFunction
    {
        public static TVector Value<TSimd, TVector>(TVector x)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct => Simd.Sigmoid<TSimd, TVector>(x);

        public static TVector Slope<TSimd, TVector>(TVector kept)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct => TSimd.Multiply(kept, TSimd.Subtract(TSimd.Broadcast(1f), kept));
    }

    private readonly struct ReluFunction : IFunction
    {
        public static TVector Value<TSimd, TVector>(TVector x)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct => TSimd.Max(TSimd.Zero, x);

        // Without comparisons: twice times 2^126 makes the smallest number above 0 larger than 1.
        public static TVector Slope<TSimd, TVector>(TVector kept)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            TVector large = TSimd.Broadcast(8.5e37f);
            return TSimd.Min(TSimd.Broadcast(1f), TSimd.Multiply(TSimd.Multiply(kept, large), large));
        }
    }

    private readonly struct SiluFunction : IFunction
    {
        public static TVector Value<TSimd, TVector>(TVector x)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct => TSimd.Multiply(x, Simd.Sigmoid<TSimd, TVector>(x));

        // s + silu(x) (1 - s) with s = sigmoid(x).
        public static TVector Slope<TSimd, TVector>(TVector kept)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            TVector s = Simd.Sigmoid<TSimd, TVector>(kept);
            return TSimd.MultiplyAdd(TSimd.Multiply(kept, s), TSimd.Subtract(TSimd.Broadcast(1f), s), s);
        }
    }

    private readonly struct SoftplusFunction : IFunction
    {
        public static TVector Value<TSimd, TVector>(TVector x)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct => Simd.Softplus<TSimd, TVector>(x);

        public static TVector Slope<TSimd, TVector>(TVector kept)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct => Simd.Sigmoid<TSimd, TVector>(kept);
    }

    private readonly struct GeluFunction : IFunction
    {
        public static TVector Value<TSimd, TVector>(TVector x)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct => TSimd.Multiply(x, NormalProbability<TSimd, TVector>(x));

        // Φ(x) + x φ(x).
        public static TVector Slope<TSimd, TVector>(TVector kept)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            TVector density = Simd.Exp<TSimd, TVector>(
                TSimd.Multiply(TSimd.Multiply(kept, kept), TSimd.Broadcast(-0.5f)));
            return TSimd.MultiplyAdd(
                TSimd.Multiply(kept, TSimd.Broadcast(0.39894228f)), density, NormalProbability<TSimd, TVector>(kept));
        }

        private static TVector NormalProbability<TSimd, TVector>(TVector x)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            TVector half = TSimd.Broadcast(0.5f);
            return TSimd.MultiplyAdd(half, Simd.Erf<TSimd, TVector>(TSimd.Multiply(x, TSimd.Broadcast(0.70710678f))), half);
        }
    }
}
