using System.Runtime.CompilerServices;
using DynConv.Cpu;

namespace DynConv.Ops;

/// <summary>
/// How states decay within a chunk of tokens: with G the sums of log-decays up to each token, <c>e^{G_i-G_j}</c> and its kin, in memory
/// of <see cref="Floats"/> elements that the caller brings.
/// </summary>
internal sealed unsafe class ChunkDecays(float* memory)
{
    public const int Size = TokenChunks.Size;
    public const long Floats = (Size * Size) + (4 * Size);

    // e^-200 is 0 in float32, and sums of it stay finite where a decay of 0 comes as negative infinity.
    private const double SmallestLogDecay = -200;

    private readonly double[] _sums = new double[Size];

    // The sums as two floats each.
    private readonly float* _high = memory + (Size * Size) + (2 * Size);
    private readonly float* _low = memory + (Size * Size) + (3 * Size);

    /// <summary>Tokens.</summary>
    public int Count { get; private set; }

    /// <summary><c>e^{G_i-G_j}</c> for j up to i, else 0; rows of <see cref="Size"/>.</summary>
    public float* Pairs { get; } = memory;

    /// <summary><c>e^{G_i}</c>.</summary>
    public float* FromStart { get; } = memory + (Size * Size);

    /// <summary><c>e^{G_C-G_j}</c>, C being the last token.</summary>
    public float* ToEnd { get; } = memory + (Size * Size) + Size;

    /// <summary>The decay of the whole chunk.</summary>
    public float Whole => FromStart[Count - 1];

    /// <summary>Forgets the tokens of another chunk.</summary>
    public void Clear() => Count = 0;

    /// <summary>One more token.</summary>
    public void Add(double logDecay)
    {
        double before = Count == 0 ? 0 : _sums[Count - 1];
        _sums[Count++] = before + Math.Max(logDecay, SmallestLogDecay);
    }

    /// <summary>Computes all of the tokens added, of which there is one at least.</summary>
    /// <remarks>
    /// Sums are float64, or two float32 each: behind a token that forgets much, differences of one float32 would have lost the small
    /// decays.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Fill<TSimd, TVector>()
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        FillEnds<TSimd, TVector>();
        for (int j = 0; j < Size; j++)
        {
            double sum = _sums[Math.Min(j, Count - 1)];
            _high[j] = (float)sum;
            _low[j] = (float)(sum - _high[j]);
        }

        for (int i = 0; i < Count; i++)
        {
            float* row = Pairs + (i * Size);
            TVector high = TSimd.Broadcast(_high[i]);
            TVector low = TSimd.Broadcast(_low[i]);
            for (int j = 0; j <= i; j += TSimd.Width)
            {
                TVector sum = TSimd.Add(TSimd.Subtract(high, TSimd.Load(_high + j)), TSimd.Subtract(low, TSimd.Load(_low + j)));
                TSimd.Store(row + j, Simd.Exp<TSimd, TVector>(sum));
            }

            new Span<float>(row + i + 1, Size - i - 1).Clear();
        }
    }

    /// <summary>The same without <see cref="Pairs"/>.</summary>
    public void FillEnds<TSimd, TVector>()
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        for (int i = 0; i < Size; i++)
        {
            int place = Math.Min(i, Count - 1);
            FromStart[i] = (float)_sums[place];
            ToEnd[i] = (float)(_sums[Count - 1] - _sums[place]);
        }

        Exponentials<TSimd, TVector>(FromStart);
        Exponentials<TSimd, TVector>(ToEnd);
    }

    private static void Exponentials<TSimd, TVector>(float* row)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        for (int j = 0; j < Size; j += TSimd.Width)
        {
            TSimd.Store(row + j, Simd.Exp<TSimd, TVector>(TSimd.Load(row + j)));
        }
    }
}
