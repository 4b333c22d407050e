using System.Runtime.CompilerServices;
using DynConv.Cpu;

namespace DynConv.Ops;

/// <summary>A chunk of one head's tokens, and the memory for what is computed of it.</summary>
internal sealed unsafe class SsdChunk : IDisposable
{
    public const int Size = TokenChunks.Size;

    private readonly SsdInputs _inputs;
    private readonly SsdRowReader _reader;
    private readonly Tensor _memory;

    public SsdChunk(SsdInputs inputs)
    {
        _inputs = inputs;
        _reader = new SsdRowReader(inputs.Shape);
        long rows = Size * inputs.Shape.HeadSize;
        _memory = Tensor.Empty([(2 * rows) + (Size * Size) + (2 * Size) + ChunkDecays.Floats]);
        X = _memory.Float();
        Scaled = X + rows;
        Weights = Scaled + rows;
        Dt = Weights + (Size * Size);
        ToState = Dt + Size;
        Decays = new ChunkDecays(ToState + Size);
    }

    public TokenChunk Tokens { get; private set; }

    public int Count => Tokens.Count;

    /// <summary>x, [C, P].</summary>
    public float* X { get; }

    /// <summary>Rows of [C, P] times a factor each.</summary>
    public float* Scaled { get; }

    /// <summary><c>e^{G_i-G_j} dt_j (c_i . b_j)</c> for j up to i, else 0: how much of x_j is in y_i; rows of <see cref="Size"/>.</summary>
    public float* Weights { get; }

    /// <summary>Step sizes.</summary>
    public float* Dt { get; }

    /// <summary><c>e^{G_C-G_j} dt_j</c>: how much of <c>x_j b_jᵀ</c> is in the state behind the chunk.</summary>
    public float* ToState { get; }

    public ChunkDecays Decays { get; }

    /// <summary>b, [C, N].</summary>
    public GemmOperand B { get; private set; }

    /// <summary>c, [C, N].</summary>
    public GemmOperand C { get; private set; }

    public void Dispose()
    {
        _reader.Dispose();
        _memory.Dispose();
    }

    /// <summary>Reads what belongs to all heads of a group.</summary>
    public void LoadGroup(TokenChunk tokens, long group)
    {
        Tokens = tokens;
        B = _reader.B(_inputs.B, tokens, group);
        C = _reader.C(_inputs.C, tokens, group);
    }

    /// <summary>Reads what belongs to one head.</summary>
    public void LoadHead<TSimd, TVector>(long head, bool withPairs)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        _inputs.X.Gather(Tokens.Start, Count, head, _inputs.Shape.HeadSize, X);
        _inputs.Dt.Gather(Tokens.Start, Count, head, 1, Dt);
        new Span<float>(Dt + Count, Size - Count).Clear();
        Decays.Clear();
        for (int i = 0; i < Count; i++)
        {
            Decays.Add((double)Dt[i] * _inputs.A[head]);
        }

        if (withPairs)
        {
            Decays.Fill<TSimd, TVector>();
        }
        else
        {
            Decays.FillEnds<TSimd, TVector>();
        }

        for (int i = 0; i < Count; i++)
        {
            ToState[i] = Decays.ToEnd[i] * Dt[i];
        }
    }

    /// <summary>Fills <see cref="Weights"/>.</summary>
    /// <param name="scores">The chunk's part of <see cref="SsdInputs.Scores"/>.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Weigh<TSimd, TVector>(float* scores)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        for (int i = 0; i < Count; i++)
        {
            int row = i * Size;
            for (int j = 0; j < Size; j += TSimd.Width)
            {
                TVector decayed = TSimd.Multiply(TSimd.Load(scores + row + j), TSimd.Load(Decays.Pairs + row + j));
                TSimd.Store(Weights + row + j, TSimd.Multiply(decayed, TSimd.Load(Dt + j)));
            }
        }
    }

    /// <summary><c>state = e^{G_C} state + Σ factor_j row_j otherᵀ_j</c>, rows being [C, P] and state [P, N].</summary>
    public void AddToState<TSimd, TVector>(float* state, float* rows, float* factors, GemmOperand other)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        (long p, long n) = (_inputs.Shape.HeadSize, _inputs.Shape.StateSize);
        for (int i = 0; i < Count; i++)
        {
            RowMath.CopyScaled<TSimd, TVector>(Scaled + (i * p), rows + (i * p), factors[i], p);
        }

        RowMath.Scale<TSimd, TVector>(state, Decays.Whole, p * n);
        Product(p, n, Count, new(Scaled, p, transposed: true), other, state, n, accumulate: true);
    }

    /// <summary><c>c = a b</c> or <c>c += a b</c>, with the repository's matrix product.</summary>
    public static void Product(long m, long n, long k, GemmOperand a, GemmOperand b, float* c, long stride, bool accumulate) =>
        Gemm.Multiply(new GemmProblem(m, n, k, a, b, c, stride, accumulate));
}
