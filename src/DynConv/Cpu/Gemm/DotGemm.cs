using System.Runtime.CompilerServices;

namespace DynConv.Cpu;

/// <summary>
/// Matrix products with few rows or few columns, <c>A Bᵀ</c> with the rows of both in one piece: dot products straight
/// from memory. Generating text a token at a time is made of these, and they are over before B would be packed.
/// </summary>
/// <remarks>An element is one dot product, summed the same way whatever block it falls into.</remarks>
internal static unsafe class DotGemm<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    // Rows of the longer factor that are taken at a time.
    private const int Group = 4;

    // Elements of the longer factor that are worth a block of their own.
    private const long BlockElements = 1 << 15;

    public static void Multiply(GemmProblem problem)
    {
        long many = Math.Max(problem.M, problem.N);
        long block = Math.Max(1, BlockElements / problem.K / Group) * Group;
        if (block >= many)
        {
            MultiplyRows(problem, 0, many);
        }
        else
        {
            MultiplyOnAllThreads(problem, many, block);
        }
    }

    // Apart from the way of small products, which would otherwise pay for the closure too.
    private static void MultiplyOnAllThreads(GemmProblem problem, long many, long block) =>
        Workers.ForRange(many, block, (start, end) => MultiplyRows(problem, start, end));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void MultiplyRows(GemmProblem problem, long start, long end)
    {
        bool fewRows = problem.M <= problem.N;
        (GemmOperand few, GemmOperand many) = fewRows ? (problem.A, problem.B) : (problem.B, problem.A);
        (long fewStride, long manyStride) = fewRows ? (problem.CStride, 1L) : (1L, problem.CStride);
        long fewCount = Math.Min(problem.M, problem.N);
        float* sums = stackalloc float[2 * Group];
        for (long row = start; row < end; row += Group)
        {
            long rows = Math.Min(Group, end - row);
            float* w = many.Data + (row * many.Stride);
            for (long other = 0; other < fewCount; other += 2)
            {
                float* x = few.Data + (other * few.Stride);
                float* c = problem.C + (other * fewStride) + (row * manyStride);
                bool two = other + 1 < fewCount;
                if (two)
                {
                    FourByTwo(w, many.Stride, rows, x, x + few.Stride, problem.K, sums);
                }
                else
                {
                    FourByOne(w, many.Stride, rows, x, problem.K, sums);
                }

                Store(sums, c, manyStride, rows, problem.Accumulate);
                if (two)
                {
                    Store(sums + Group, c + fewStride, manyStride, rows, problem.Accumulate);
                }
            }
        }
    }

    private static void Store(float* sums, float* c, long stride, long rows, bool accumulate)
    {
        for (long row = 0; row < rows; row++)
        {
            c[row * stride] = accumulate ? c[row * stride] + sums[row] : sums[row];
        }
    }

    /// <summary>
    /// Four rows from <paramref name="w"/> on times <paramref name="x"/> and <paramref name="y"/>. Where there are
    /// fewer rows the last one is read again, and its extra sums mean nothing.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FourByTwo(float* w, long stride, long rows, float* x, float* y, long depth, float* sums)
    {
        float* w1 = w + (Math.Min(1, rows - 1) * stride);
        float* w2 = w + (Math.Min(2, rows - 1) * stride);
        float* w3 = w + (Math.Min(3, rows - 1) * stride);
        Quad first = Quad.Zero();
        Quad second = Quad.Zero();
        long p = 0;
        for (; p + TSimd.Width <= depth; p += TSimd.Width)
        {
            var values = new Quad(TSimd.Load(w + p), TSimd.Load(w1 + p), TSimd.Load(w2 + p), TSimd.Load(w3 + p));
            first = first.Add(values, TSimd.Load(x + p));
            second = second.Add(values, TSimd.Load(y + p));
        }

        first.Sum(sums);
        second.Sum(sums + Group);
        for (; p < depth; p++)
        {
            AddScalar(sums, w[p], w1[p], w2[p], w3[p], x[p]);
            AddScalar(sums + Group, w[p], w1[p], w2[p], w3[p], y[p]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FourByOne(float* w, long stride, long rows, float* x, long depth, float* sums)
    {
        float* w1 = w + (Math.Min(1, rows - 1) * stride);
        float* w2 = w + (Math.Min(2, rows - 1) * stride);
        float* w3 = w + (Math.Min(3, rows - 1) * stride);
        Quad first = Quad.Zero();
        long p = 0;
        for (; p + TSimd.Width <= depth; p += TSimd.Width)
        {
            var values = new Quad(TSimd.Load(w + p), TSimd.Load(w1 + p), TSimd.Load(w2 + p), TSimd.Load(w3 + p));
            first = first.Add(values, TSimd.Load(x + p));
        }

        first.Sum(sums);
        for (; p < depth; p++)
        {
            AddScalar(sums, w[p], w1[p], w2[p], w3[p], x[p]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddScalar(float* sums, float w0, float w1, float w2, float w3, float x)
    {
        sums[0] = SimdScalar.MultiplyAdd(w0, x, sums[0]);
        sums[1] = SimdScalar.MultiplyAdd(w1, x, sums[1]);
        sums[2] = SimdScalar.MultiplyAdd(w2, x, sums[2]);
        sums[3] = SimdScalar.MultiplyAdd(w3, x, sums[3]);
    }

    /// <summary>A vector for each of four rows.</summary>
    private readonly struct Quad(TVector a, TVector b, TVector c, TVector d)
    {
        private readonly TVector _a = a;
        private readonly TVector _b = b;
        private readonly TVector _c = c;
        private readonly TVector _d = d;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Quad Zero() => new(TSimd.Zero, TSimd.Zero, TSimd.Zero, TSimd.Zero);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Quad Add(Quad values, TVector x) => new(
            TSimd.MultiplyAdd(values._a, x, _a),
            TSimd.MultiplyAdd(values._b, x, _b),
            TSimd.MultiplyAdd(values._c, x, _c),
            TSimd.MultiplyAdd(values._d, x, _d));

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Sum(float* sums)
        {
            sums[0] = TSimd.Sum(_a);
            sums[1] = TSimd.Sum(_b);
            sums[2] = TSimd.Sum(_c);
            sums[3] = TSimd.Sum(_d);
        }
    }
}
