using System.Runtime.CompilerServices;
using DynConv.Cpu;

namespace DynConv.Ops;

/// <summary>
/// The inner loops of the short convolutions for the tokens next to a sequence's start or end, where every tap of every
/// row may read from somewhere else: the sequence, its initial state, or zeros. Sums are rounded as
/// <see cref="ConvolutionColumns"/> rounds them, so that a sequence in parts gives the bits of the whole.
/// </summary>
internal static unsafe class ConvolutionRows
{
    /// <summary><c>destination = initial + Σ_w filters[w] · values[w]</c>; destination may be initial.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void WeightedSum<TSimd, TVector>(
        float* destination, float* initial, float** filters, float** values, int taps, long channels)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        for (; taps > ITaps.Most; taps -= ITaps.Most, filters += ITaps.Most, values += ITaps.Most)
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

    /// <summary><c>destination += source</c>.</summary>
    public static void Add<TSimd, TVector>(float* destination, float* source, long channels)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        long c = 0;
        for (; c + TSimd.Width <= channels; c += TSimd.Width)
        {
            TSimd.Store(destination + c, TSimd.Add(TSimd.Load(destination + c), TSimd.Load(source + c)));
        }

        for (; c < channels; c++)
        {
            destination[c] += source[c];
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
            TVector sum = TSimd.Multiply(TSimd.Load(f0 + c), TSimd.Load(v0 + c));
            sum = TTaps.Count > 1 ? TSimd.MultiplyAdd(TSimd.Load(f1 + c), TSimd.Load(v1 + c), sum) : sum;
            sum = TTaps.Count > 2 ? TSimd.MultiplyAdd(TSimd.Load(f2 + c), TSimd.Load(v2 + c), sum) : sum;
            sum = TTaps.Count > 3 ? TSimd.MultiplyAdd(TSimd.Load(f3 + c), TSimd.Load(v3 + c), sum) : sum;
            TSimd.Store(destination + c, TSimd.Add(sum, TSimd.Load(initial + c)));
        }

        for (; c < channels; c++)
        {
            float sum = f0[c] * v0[c];
            sum = TTaps.Count > 1 ? SimdScalar.MultiplyAdd(f1[c], v1[c], sum) : sum;
            sum = TTaps.Count > 2 ? SimdScalar.MultiplyAdd(f2[c], v2[c], sum) : sum;
            sum = TTaps.Count > 3 ? SimdScalar.MultiplyAdd(f3[c], v3[c], sum) : sum;
            destination[c] = sum + initial[c];
        }
    }
}
