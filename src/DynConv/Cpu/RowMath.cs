using System.Runtime.CompilerServices;

namespace DynConv.Cpu;

/// <summary>Sums and the like over one dense row.</summary>
internal static unsafe class RowMath
{
    /// <summary><c>sum of a[i] b[i]</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Dot<TSimd, TVector>(float* a, float* b, long length)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        // Two independent sums, so that one need not wait for the other.
        TVector even = TSimd.Zero;
        TVector odd = TSimd.Zero;
        long i = 0;
        for (; i + (2 * TSimd.Width) <= length; i += 2 * TSimd.Width)
        {
            even = TSimd.MultiplyAdd(TSimd.Load(a + i), TSimd.Load(b + i), even);
            odd = TSimd.MultiplyAdd(TSimd.Load(a + i + TSimd.Width), TSimd.Load(b + i + TSimd.Width), odd);
        }

        float sum = TSimd.Sum(TSimd.Add(even, odd));
        for (; i < length; i++)
        {
            sum = SimdScalar.MultiplyAdd(a[i], b[i], sum);
        }

        return sum;
    }

    /// <summary><c>sum of a[i] b[i] c[i]</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Dot<TSimd, TVector>(float* a, float* b, float* c, long length)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        TVector sums = TSimd.Zero;
        long i = 0;
        for (; i + TSimd.Width <= length; i += TSimd.Width)
        {
            TVector product = TSimd.Multiply(TSimd.Load(a + i), TSimd.Load(b + i));
            sums = TSimd.MultiplyAdd(product, TSimd.Load(c + i), sums);
        }

        float sum = TSimd.Sum(sums);
        for (; i < length; i++)
        {
            sum = SimdScalar.MultiplyAdd(a[i] * b[i], c[i], sum);
        }

        return sum;
    }

    /// <summary><c>x[i] *= factor</c>.</summary>
    public static void Scale<TSimd, TVector>(float* x, float factor, long length)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct => CopyScaled<TSimd, TVector>(x, x, factor, length);

    /// <summary><c>y[i] = factor x[i]</c>; y may be x.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void CopyScaled<TSimd, TVector>(float* y, float* x, float factor, long length)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        TVector factors = TSimd.Broadcast(factor);
        long i = 0;
        for (; i + TSimd.Width <= length; i += TSimd.Width)
        {
            TSimd.Store(y + i, TSimd.Multiply(TSimd.Load(x + i), factors));
        }

        for (; i < length; i++)
        {
            y[i] = x[i] * factor;
        }
    }

    /// <summary><c>y[i] += factor x[i]</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void AddScaled<TSimd, TVector>(float* y, float* x, float factor, long length)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        TVector factors = TSimd.Broadcast(factor);
        long i = 0;
        for (; i + TSimd.Width <= length; i += TSimd.Width)
        {
            TSimd.Store(y + i, TSimd.MultiplyAdd(factors, TSimd.Load(x + i), TSimd.Load(y + i)));
        }

        for (; i < length; i++)
        {
            y[i] = SimdScalar.MultiplyAdd(factor, x[i], y[i]);
        }
    }

    /// <summary>The largest element; NaN if there is one, negative infinity for an empty row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Max<TSimd, TVector>(float* x, long length)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        TVector lanes = TSimd.Broadcast(float.NegativeInfinity);
        long i = 0;
        for (; i + TSimd.Width <= length; i += TSimd.Width)
        {
            lanes = TSimd.Max(lanes, TSimd.Load(x + i));
        }

        float max = TSimd.MaxElement(lanes);
        for (; i < length; i++)
        {
            max = MathF.Max(max, x[i]);
        }

        return max;
    }
}
