using System.Runtime.CompilerServices;
using DynConv.Cpu;

namespace DynConv.Ops;

/// <summary>
/// The inner loops of all short convolutions. A row is a stretch of channels of one token; lanes are channels, and the
/// channels left over after the last full vector run through the same code one lane wide.
/// </summary>
internal static unsafe class ConvolutionRows
{
    /// <summary>Taps that one loop combines; wider filters take several loops.</summary>
    private const int TapsPerLoop = 4;

    private interface ITaps
    {
        static abstract int Count { get; }
    }

    /// <summary><c>destination = initial + Σ_w filters[w] · values[w]</c>; destination may be initial.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void WeightedSum<TSimd, TVector>(
        float* destination, float* initial, float** filters, float** values, int taps, long channels)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        for (; taps > TapsPerLoop; taps -= TapsPerLoop, filters += TapsPerLoop, values += TapsPerLoop)
        {
            WeightedSum<TSimd, TVector, FourTaps>(destination, initial, filters, values, channels);
            initial = destination;
        }

        switch (taps)
        {
            case 1: WeightedSum<TSimd, TVector, OneTap>(destination, initial, filters, values, channels); break;
            case 2: WeightedSum<TSimd, TVector, TwoTaps>(destination, initial, filters, values, channels); break;
            case 3: WeightedSum<TSimd, TVector, ThreeTaps>(destination, initial, filters, values, channels); break;
            default: WeightedSum<TSimd, TVector, FourTaps>(destination, initial, filters, values, channels); break;
        }
    }

    /// <summary><c>products[w] = row · values[w]</c>, the taps <paramref name="tapStride"/> apart.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Products<TSimd, TVector>(
        float* products, long tapStride, float* row, float** values, int taps, long channels)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        for (; taps > TapsPerLoop; taps -= TapsPerLoop, values += TapsPerLoop, products += TapsPerLoop * tapStride)
        {
            Products<TSimd, TVector, FourTaps>(products, tapStride, row, values, channels);
        }

        switch (taps)
        {
            case 1: Products<TSimd, TVector, OneTap>(products, tapStride, row, values, channels); break;
            case 2: Products<TSimd, TVector, TwoTaps>(products, tapStride, row, values, channels); break;
            case 3: Products<TSimd, TVector, ThreeTaps>(products, tapStride, row, values, channels); break;
            default: Products<TSimd, TVector, FourTaps>(products, tapStride, row, values, channels); break;
        }
    }

    /// <summary><c>destination += Σ_i source[i]</c>, the rows <paramref name="rowStride"/> apart.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void AddRows<TSimd, TVector>(float* destination, float* source, long rowStride, long rows, long channels)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        long c = 0;
        for (; c + TSimd.Width <= channels; c += TSimd.Width)
        {
            TVector sum = TSimd.Load(destination + c);
            float* at = source + c;
            for (long i = 0; i < rows; i++, at += rowStride)
            {
                sum = TSimd.Add(sum, TSimd.Load(at));
            }

            TSimd.Store(destination + c, sum);
        }

        if (c < channels)
        {
            AddRows<SimdScalar, float>(destination + c, source + c, rowStride, rows, channels - c);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void WeightedSum<TSimd, TVector, TTaps>(
        float* destination, float* initial, float** filters, float** values, long channels)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
        where TTaps : struct, ITaps
    {
        float* f0 = filters[0];
        float* f1 = TTaps.Count > 1 ? filters[1] : null;
        float* f2 = TTaps.Count > 2 ? filters[2] : null;
        float* f3 = TTaps.Count > 3 ? filters[3] : null;
        float* v0 = values[0];
        float* v1 = TTaps.Count > 1 ? values[1] : null;
        float* v2 = TTaps.Count > 2 ? values[2] : null;
        float* v3 = TTaps.Count > 3 ? values[3] : null;
        long c = 0;
        for (; c + TSimd.Width <= channels; c += TSimd.Width)
        {
            TVector sum = TSimd.MultiplyAdd(TSimd.Load(f0 + c), TSimd.Load(v0 + c), TSimd.Load(initial + c));
            if (TTaps.Count > 1)
            {
                sum = TSimd.MultiplyAdd(TSimd.Load(f1 + c), TSimd.Load(v1 + c), sum);
            }

            if (TTaps.Count > 2)
            {
                sum = TSimd.MultiplyAdd(TSimd.Load(f2 + c), TSimd.Load(v2 + c), sum);
            }

            if (TTaps.Count > 3)
            {
                sum = TSimd.MultiplyAdd(TSimd.Load(f3 + c), TSimd.Load(v3 + c), sum);
            }

            TSimd.Store(destination + c, sum);
        }

        for (; c < channels; c++)
        {
            float sum = SimdScalar.MultiplyAdd(f0[c], v0[c], initial[c]);
            sum = TTaps.Count > 1 ? SimdScalar.MultiplyAdd(f1[c], v1[c], sum) : sum;
            sum = TTaps.Count > 2 ? SimdScalar.MultiplyAdd(f2[c], v2[c], sum) : sum;
            destination[c] = TTaps.Count > 3 ? SimdScalar.MultiplyAdd(f3[c], v3[c], sum) : sum;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Products<TSimd, TVector, TTaps>(
        float* products, long tapStride, float* row, float** values, long channels)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
        where TTaps : struct, ITaps
    {
        float* p1 = products + tapStride;
        float* p2 = p1 + tapStride;
        float* p3 = p2 + tapStride;
        float* v0 = values[0];
        float* v1 = TTaps.Count > 1 ? values[1] : null;
        float* v2 = TTaps.Count > 2 ? values[2] : null;
        float* v3 = TTaps.Count > 3 ? values[3] : null;
        long c = 0;
        for (; c + TSimd.Width <= channels; c += TSimd.Width)
        {
            TVector factor = TSimd.Load(row + c);
            TSimd.Store(products + c, TSimd.Multiply(factor, TSimd.Load(v0 + c)));
            if (TTaps.Count > 1)
            {
                TSimd.Store(p1 + c, TSimd.Multiply(factor, TSimd.Load(v1 + c)));
            }

            if (TTaps.Count > 2)
            {
                TSimd.Store(p2 + c, TSimd.Multiply(factor, TSimd.Load(v2 + c)));
            }

            if (TTaps.Count > 3)
            {
                TSimd.Store(p3 + c, TSimd.Multiply(factor, TSimd.Load(v3 + c)));
            }
        }

        if (typeof(TSimd) != typeof(SimdScalar) && c < channels)
        {
            float** rest = stackalloc float*[TapsPerLoop];
            for (int w = 0; w < TTaps.Count; w++)
            {
                rest[w] = values[w] + c;
            }

            Products<SimdScalar, float, TTaps>(products + c, tapStride, row + c, rest, channels - c);
        }
    }

    private readonly struct OneTap : ITaps
    {
        public static int Count => 1;
    }

    private readonly struct TwoTaps : ITaps
    {
        public static int Count => 2;
    }

    private readonly struct ThreeTaps : ITaps
    {
        public static int Count => 3;
    }

    private readonly struct FourTaps : ITaps
    {
        public static int Count => 4;
    }
}
