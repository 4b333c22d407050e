using DynConv.Cpu;

namespace DynConv.Ops;

public static unsafe partial class MatMul
{
    // Multiplications from which one product alone keeps all threads busy.
    private const double LargeProduct = 1 << 24;

    // Multiplications that are worth a block of their own.
    private const double BlockMultiplications = 1 << 16;

    private static void MultiplyCpu(Tensor a, Tensor b, Tensor c, bool accumulate)
    {
        var (left, right, result) = (new MatrixBatch(a), new MatrixBatch(b), new MatrixBatch(c));
        long batch = c.Shape[..^2].Count;
        (long m, long n, long k) = (c.Shape[^2], c.Shape[^1], a.Shape[^1]);
        double multiplications = (double)m * n * k;
        if (batch == 1 || multiplications >= LargeProduct)
        {
            MultiplyRange(0, batch);
        }
        else
        {
            Workers.ForRange(batch, (long)Math.Ceiling(BlockMultiplications / Math.Max(1, multiplications)), MultiplyRange);
        }

        void MultiplyRange(long start, long end)
        {
            for (long i = start; i < end; i++)
            {
                Gemm.Multiply(Product(left[i], right[i], result[i]));
            }
        }

        // A result whose columns lie in one piece is written as its transpose: cᵀ = bᵀ aᵀ.
        GemmProblem Product(GemmOperand x, GemmOperand y, GemmOperand z) => z.Transposed
            ? new GemmProblem(n, m, k, y.Transpose(), x.Transpose(), z.Data, z.Stride, accumulate)
            : new GemmProblem(m, n, k, x, y, z.Data, z.Stride, accumulate);
    }

    /// <summary>Finds each matrix of a tensor by its place in the leading dimensions.</summary>
    private sealed class MatrixBatch
    {
        private readonly float* _data;
        private readonly Shape _shape;
        private readonly long[] _strides;
        private readonly bool _transposed;
        private readonly long _stride;

        public MatrixBatch(Tensor matrices)
        {
            _data = matrices.Float();
            _shape = matrices.Shape;
            _strides = matrices.Strides.ToArray();
            _transposed = !HasRows(matrices);
            (long lines, long length, long stride) = _transposed
                ? (_shape[^1], _shape[^2], _strides[^1])
                : (_shape[^2], _shape[^1], _strides[^2]);
            _stride = lines > 1 ? stride : Math.Max(1, length);
        }

        public GemmOperand this[long index] =>
            new(_data + OffsetOf(_shape, _strides, index), _stride, _transposed);
    }
}
