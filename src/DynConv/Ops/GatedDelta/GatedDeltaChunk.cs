using DynConv.Cpu;

namespace DynConv.Ops;

/// <summary>
/// A chunk of one value head's tokens in dense memory, and what both passes compute of it from the state S before it. With G the sums
/// of the chunk's log-decays up to each token, the corrections d of its tokens solve a triangular system (the WY form):
/// <c>d_i = beta_i e_i</c>, <c>e_i = v_i - e^{G_i} Sᵀ k_i - Σ_{j&lt;i} e^{G_i-G_j} (k_i . k_j) d_j</c>.
/// </summary>
internal sealed unsafe class GatedDeltaChunk : IDisposable
{
    public const int Size = GatedDeltaRule.ChunkTokens;

    // Of the triangular system: rows of a block are solved one after the other, blocks before it by a product.
    private const int Block = 16;

    private readonly GatedDeltaShape _shape;
    private readonly Tensor _memory;
    private readonly ChunkDecays _decays;

    public GatedDeltaChunk(GatedDeltaShape shape)
    {
        _shape = shape;
        (K, V) = (shape.KeySize, shape.ValueSize);
        const int Squares = 2;
        _memory = Tensor.Empty([(Size * ((3 * K) + (2 * V))) + (Squares * Size * Size) + Size + ChunkDecays.Floats]);
        Queries = _memory.Float();
        Keys = Queries + (Size * K);
        Scaled = Keys + (Size * K);
        Errors = Scaled + (Size * K);
        Corrections = Errors + (Size * V);
        System = Corrections + (Size * V);
        Scores = System + (Size * Size);
        Beta = Scores + (Size * Size);
        _decays = new ChunkDecays(Beta + Size);
    }

    public long K { get; }

    public long V { get; }

    /// <summary>Tokens.</summary>
    public int Count { get; private set; }

    /// <summary><c>scale q</c>, [C, K].</summary>
    public float* Queries { get; }

    /// <summary>k, [C, K].</summary>
    public float* Keys { get; }

    /// <summary>Rows of queries or keys times a factor each, [C, K].</summary>
    public float* Scaled { get; }

    /// <summary>e, [C, V].</summary>
    public float* Errors { get; }

    /// <summary>d, [C, V].</summary>
    public float* Corrections { get; }

    /// <summary><c>e^{G_i-G_j}</c> for j up to i, else 0; rows of <see cref="Size"/>.</summary>
    public float* Decays => _decays.Pairs;

    /// <summary><c>-e^{G_i-G_j} (k_i . k_j)</c> for j below i, else 0.</summary>
    public float* System { get; }

    /// <summary><c>e^{G_i-G_j} scale (q_i . k_j)</c> for j up to i, else 0.</summary>
    public float* Scores { get; }

    /// <summary><c>e^{G_i}</c>.</summary>
    public float* FromStart => _decays.FromStart;

    /// <summary><c>e^{G_C-G_j}</c>, C being the last token.</summary>
    public float* ToEnd => _decays.ToEnd;

    public float* Beta { get; }

    /// <summary>The decay of the whole chunk.</summary>
    public float Whole => _decays.Whole;

    public void Dispose() => _memory.Dispose();

    /// <summary>Reads tokens and computes what does not depend on the state.</summary>
    public void Load<TSimd, TVector>(in GatedDeltaInputs inputs, long token, int count, long valueHead)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        Count = count;
        long keyHead = valueHead / _shape.Shared;
        Gather(inputs.Q, token, keyHead, K, Queries);
        Gather(inputs.K, token, keyHead, K, Keys);
        Gather(inputs.V, token, valueHead, V, Errors);
        Gather(inputs.Beta, token, valueHead, 1, Beta);
        RowMath.Scale<TSimd, TVector>(Queries, _shape.Scale, Count * K);
        _decays.Clear();
        for (int i = 0; i < Count; i++)
        {
            _decays.Add(*inputs.G.At(token + i, valueHead));
        }

        _decays.Fill<TSimd, TVector>();
        Product(Count, Count, K, new(Keys, K), new(Keys, K, transposed: true), System, Size, accumulate: false);
        Product(Count, Count, K, new(Queries, K), new(Keys, K, transposed: true), Scores, Size, accumulate: false);
        for (int i = 0; i < Count; i++)
        {
            float* decays = Decays + (i * Size);
            Apply(System + (i * Size), decays, before: i, -1);
            Apply(Scores + (i * Size), decays, before: i + 1, 1);
        }

        void Apply(float* row, float* decays, int before, float sign)
        {
            for (int j = 0; j < before; j++)
            {
                row[j] *= sign * decays[j];
            }

            new Span<float>(row + before, Count - before).Clear();
        }
    }

    /// <summary>Copies rows to dense memory.</summary>
    public void Gather(in TokenHeads rows, long token, long head, long length, float* to) => rows.Gather(token, Count, head, length, to);

    /// <summary>Solves for <see cref="Errors"/> and <see cref="Corrections"/>, given the dense state before the chunk.</summary>
    public void Solve<TSimd, TVector>(float* state)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        ScaleRows<TSimd, TVector>(Keys, FromStart, -1);
        Product(Count, V, K, new(Scaled, K), new(state, V), Errors, V, accumulate: true);
        for (int start = 0; start < Count; start += Block)
        {
            int end = Math.Min(Count, start + Block);
            SmallProduct.Operand rows = new(Errors + (start * V), V);
            SmallProduct.Multiply<TSimd, TVector>(
                new(System + (start * Size), Size), new(Corrections, V), rows, rows, m: end - start, n: V, k: start);
            for (int i = start; i < end; i++)
            {
                float* error = Errors + (i * V);
                for (int j = start; j < i; j++)
                {
                    RowMath.AddScaled<TSimd, TVector>(error, Corrections + (j * V), System[(i * Size) + j], V);
                }

                RowMath.CopyScaled<TSimd, TVector>(Corrections + (i * V), error, Beta[i], V);
            }
        }
    }

    /// <summary>
    /// Backwards: turns the gradient of the corrections as others see it into <c>beta_i</c> times their whole gradient, which is that of
    /// the values, and calls <paramref name="whole"/> with the whole gradient of each on the way.
    /// </summary>
    public void SolveTransposed<TSimd, TVector>(float* gradient, Action<int> whole)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        for (int start = (Count - 1) / Block * Block; start >= 0; start -= Block)
        {
            int end = Math.Min(Count, start + Block);
            SmallProduct.Operand rows = new(gradient + (start * V), V);
            SmallProduct.Multiply<TSimd, TVector>(
                new(System + (end * Size) + start, 1, Size), new(gradient + (end * V), V), rows, rows, m: end - start, n: V, k: Count - end);
            for (int j = end - 1; j >= start; j--)
            {
                float* row = gradient + (j * V);
                for (int i = j + 1; i < end; i++)
                {
                    RowMath.AddScaled<TSimd, TVector>(row, gradient + (i * V), System[(i * Size) + j], V);
                }

                whole(j);
                RowMath.Scale<TSimd, TVector>(row, Beta[j], V);
            }
        }
    }

    /// <summary>Puts rows of queries or keys, each times its factor, into <see cref="Scaled"/>.</summary>
    public void ScaleRows<TSimd, TVector>(float* rows, float* factors, float sign)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        for (int i = 0; i < Count; i++)
        {
            RowMath.CopyScaled<TSimd, TVector>(Scaled + (i * K), rows + (i * K), sign * factors[i], K);
        }
    }

    /// <summary><c>c = a b</c> or <c>c += a b</c>, with the repository's matrix product.</summary>
    public static void Product(long m, long n, long k, GemmOperand a, GemmOperand b, float* c, long stride, bool accumulate) =>
        Gemm.Multiply(new GemmProblem(m, n, k, a, b, c, stride, accumulate));
}
