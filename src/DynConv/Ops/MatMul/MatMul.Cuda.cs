using DynConv.Cuda;

namespace DynConv.Ops;

public static partial class MatMul
{
    private static void MultiplyCuda(Tensor a, Tensor b, Tensor c, bool accumulate)
    {
        (long m, long n, long k) = (c.Shape[^2], c.Shape[^1], a.Shape[^1]);
        long batch = c.Shape[..^2].Count;
        if (c.Count == 0)
        {
            return;
        }

        if (k == 0)
        {
            if (!accumulate)
            {
                c.Clear();
            }

            return;
        }

        CudaMatMul library = c.Device.Context.MatrixProducts;
        if (BatchStride(a) is { } strideOfA && BatchStride(b) is { } strideOfB && BatchStride(c) is { } strideOfC)
        {
            library.Multiply(m, n, k, batch, Matrix(a, strideOfA), Matrix(b, strideOfB), Matrix(c, strideOfC), accumulate);
            return;
        }

        for (long i = 0; i < batch; i++)
        {
            library.Multiply(m, n, k, 1, Single(a, i), Single(b, i), Single(c, i), accumulate);
        }
    }

    private static CudaMatrix Single(Tensor matrices, long index) =>
        Matrix(matrices, 0, OffsetOf(matrices.Shape, matrices.Strides, index));

    private static CudaMatrix Matrix(Tensor matrices, long batchStride, long offset = 0)
    {
        bool transposed = !HasRows(matrices);
        (long lines, long length, long stride) = transposed
            ? (matrices.Shape[^1], matrices.Shape[^2], matrices.Strides[^1])
            : (matrices.Shape[^2], matrices.Shape[^1], matrices.Strides[^2]);
        return new CudaMatrix(
            matrices.Address + (nint)(offset * matrices.DType.SizeInBytes()),
            matrices.DType,
            lines > 1 ? stride : Math.Max(1, length),
            transposed,
            batchStride);
    }

    /// <summary>The one distance between neighbouring matrices; null if there is no such one.</summary>
    private static long? BatchStride(Tensor matrices)
    {
        long stride = 0;
        long inner = 1;
        for (int i = matrices.Rank - 3; i >= 0; i--)
        {
            if (matrices.Shape[i] == 1)
            {
                continue;
            }

            if (inner == 1)
            {
                stride = matrices.Strides[i];
            }
            else if (matrices.Strides[i] != stride * inner)
            {
                return null;
            }

            inner *= matrices.Shape[i];
        }

        return stride;
    }
}
