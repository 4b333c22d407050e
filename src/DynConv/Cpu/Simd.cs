using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace DynConv.Cpu;

/// <summary>Vector widths that the CPU kernels are compiled for.</summary>
internal enum SimdLevel
{
    Scalar = 0,
    Vector128 = 128,
    Vector256 = 256,
    Vector512 = 512,
}

/// <summary>A kernel that can run at any vector width.</summary>
internal interface ISimdKernel
{
    void Invoke<TSimd, TVector>()
        where TSimd : struct, ISimd<TVector>
        where TVector : struct;
}

/// <summary>Chooses the vector width, once for the process, and runs kernels at it.</summary>
internal static class Simd
{
    /// <summary>The width in use: the widest the machine has, or a narrower one that <c>DYNCONV_SIMD</c> asks for.</summary>
    public static SimdLevel Level { get; } = Choose(Environment.GetEnvironmentVariable("DYNCONV_SIMD"));

    private static SimdLevel Widest =>
        Vector512.IsHardwareAccelerated ? SimdLevel.Vector512
        : Vector256.IsHardwareAccelerated ? SimdLevel.Vector256
        : Vector128.IsHardwareAccelerated ? SimdLevel.Vector128
        : SimdLevel.Scalar;

    private static SimdLevel Choose(string? asked)
    {
        SimdLevel level = asked switch
        {
            null or "" => Widest,
            "512" => SimdLevel.Vector512,
            "256" => SimdLevel.Vector256,
            "128" => SimdLevel.Vector128,
            "scalar" => SimdLevel.Scalar,
            _ => throw new DynConvException($"DYNCONV_SIMD is '{asked}'; use 512, 256, 128 or scalar."),
        };
        return level <= Widest
            ? level
            : throw new DynConvException($"DYNCONV_SIMD asks for {asked} bits; this machine has {(int)Widest}.");
    }

    /// <summary>Runs <paramref name="kernel"/> at <see cref="Level"/>.</summary>
    public static void Run<TKernel>(in TKernel kernel)
        where TKernel : struct, ISimdKernel => Run(kernel, Level);

    /// <summary>
    /// Runs <paramref name="kernel"/> at the widest level, up to <see cref="Level"/>, at which
    /// <paramref name="length"/> elements are a whole number of vectors.
    /// </summary>
    public static void Run<TKernel>(in TKernel kernel, long length)
        where TKernel : struct, ISimdKernel
    {
        SimdLevel fitting =
            length % Simd512.Width == 0 ? SimdLevel.Vector512
            : length % Simd256.Width == 0 ? SimdLevel.Vector256
            : length % Simd128.Width == 0 ? SimdLevel.Vector128
            : SimdLevel.Scalar;
        Run(kernel, fitting < Level ? fitting : Level);
    }

    private static void Run<TKernel>(in TKernel kernel, SimdLevel level)
        where TKernel : struct, ISimdKernel
    {
        switch (level)
        {
            case SimdLevel.Vector512: kernel.Invoke<Simd512, Vector512<float>>(); break;
            case SimdLevel.Vector256: kernel.Invoke<Simd256, Vector256<float>>(); break;
            case SimdLevel.Vector128: kernel.Invoke<Simd128, Vector128<float>>(); break;
            default: kernel.Invoke<SimdScalar, float>(); break;
        }
    }

    /// <summary>
    /// e to the power of each lane, within 2 units in the last place; 0 below about -87.3 (results that would be
    /// subnormal), the largest finite result above about 88.3, NaN for NaN.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Exp<TSimd, TVector>(TVector x)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        // x = n ln 2 + r with |r| <= ln 2 / 2; ln 2 is split in two so that n ln 2 loses no bits.
        // The clamp keeps n in PowerOfTwo's range; taking x as the second operand lets NaN through.
        TVector clamped = TSimd.Min(TSimd.Max(x, TSimd.Broadcast(-88f)), TSimd.Broadcast(88.02f));
        TVector n = TSimd.Round(TSimd.Multiply(clamped, TSimd.Broadcast(1.44269504f)));
        TVector r = TSimd.MultiplyAdd(n, TSimd.Broadcast(-0.693145752f), clamped);
        r = TSimd.MultiplyAdd(n, TSimd.Broadcast(-1.42860677e-6f), r);
        TVector p = TSimd.Broadcast(1.98756915e-4f);
        p = TSimd.MultiplyAdd(p, r, TSimd.Broadcast(1.39819995e-3f));
        p = TSimd.MultiplyAdd(p, r, TSimd.Broadcast(8.33345191e-3f));
        p = TSimd.MultiplyAdd(p, r, TSimd.Broadcast(4.16657962e-2f));
        p = TSimd.MultiplyAdd(p, r, TSimd.Broadcast(1.66666654e-1f));
        p = TSimd.MultiplyAdd(p, r, TSimd.Broadcast(0.5f));
        p = TSimd.MultiplyAdd(TSimd.Multiply(p, r), r, r);
        TVector scale = TSimd.PowerOfTwo(n);
        return TSimd.MultiplyAdd(p, scale, scale);
    }

    /// <summary>
    /// The error function of each lane, within 4e-7: a rational approximation on |x| &lt;= 4, beyond which it is 1 in
    /// float32.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Erf<TSimd, TVector>(TVector x)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        x = TSimd.Max(TSimd.Broadcast(-4f), TSimd.Min(TSimd.Broadcast(4f), x));
        TVector s = TSimd.Multiply(x, x);
        TVector p = TSimd.Broadcast(-2.72614225801306e-10f);
        p = TSimd.MultiplyAdd(p, s, TSimd.Broadcast(2.77068142495902e-8f));
        p = TSimd.MultiplyAdd(p, s, TSimd.Broadcast(-2.10102402082508e-6f));
        p = TSimd.MultiplyAdd(p, s, TSimd.Broadcast(-5.69250639462346e-5f));
        p = TSimd.MultiplyAdd(p, s, TSimd.Broadcast(-7.34990630326855e-4f));
        p = TSimd.MultiplyAdd(p, s, TSimd.Broadcast(-2.95459980854025e-3f));
        p = TSimd.MultiplyAdd(p, s, TSimd.Broadcast(-1.60960333262415e-2f));
        TVector q = TSimd.Broadcast(-1.45660718464996e-5f);
        q = TSimd.MultiplyAdd(q, s, TSimd.Broadcast(-2.13374055278905e-4f));
        q = TSimd.MultiplyAdd(q, s, TSimd.Broadcast(-1.68282697438203e-3f));
        q = TSimd.MultiplyAdd(q, s, TSimd.Broadcast(-7.37332916720468e-3f));
        q = TSimd.MultiplyAdd(q, s, TSimd.Broadcast(-1.42647390514189e-2f));
        return TSimd.Divide(TSimd.Multiply(x, p), q);
    }

    /// <summary><c>1 / (1 + e^-x)</c> for each lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Sigmoid<TSimd, TVector>(TVector x)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        TVector one = TSimd.Broadcast(1f);
        return TSimd.Divide(one, TSimd.Add(one, Exp<TSimd, TVector>(TSimd.Subtract(TSimd.Zero, x))));
    }

    /// <summary>
    /// <c>log(1 + e^x)</c> for each lane, within 3e-7 of itself wherever e^x is a normal number: <c>max(x, 0)</c> and
    /// <c>2 artanh(e / (2 + e))</c> with e = e^-|x|, by its power series up to 1/3.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Softplus<TSimd, TVector>(TVector x)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        TVector e = Exp<TSimd, TVector>(TSimd.Subtract(TSimd.Zero, TSimd.Abs(x)));
        TVector s = TSimd.Divide(e, TSimd.Add(e, TSimd.Broadcast(2f)));
        TVector square = TSimd.Multiply(s, s);
        TVector p = TSimd.Broadcast(2f / 13);
        p = TSimd.MultiplyAdd(p, square, TSimd.Broadcast(2f / 11));
        p = TSimd.MultiplyAdd(p, square, TSimd.Broadcast(2f / 9));
        p = TSimd.MultiplyAdd(p, square, TSimd.Broadcast(2f / 7));
        p = TSimd.MultiplyAdd(p, square, TSimd.Broadcast(2f / 5));
        p = TSimd.MultiplyAdd(p, square, TSimd.Broadcast(2f / 3));
        p = TSimd.MultiplyAdd(p, square, TSimd.Broadcast(2f));
        return TSimd.MultiplyAdd(p, s, TSimd.Max(TSimd.Zero, x));
    }
}
