using System.Runtime.InteropServices;
using DynConv.Cuda;

namespace DynConv.Ops;

/// <summary>Sums over all elements of tensors on a card (tensor_sums.cu), the same each time.</summary>
internal static unsafe class TensorSums
{
    private const int Threads = 256;
    private const int TotalThreads = 1024;
    private const long BlockElements = Threads * 64;

    private static readonly KernelTable<(DType Type, bool Squares)> BlockKernel = new(
        "tensor_sums.cu", "tensor_sums", Macros, (DType.Float32, false), (DType.BFloat16, true));

    private static readonly KernelTable<(DType Type, bool Squares)> TotalKernel = new(
        "tensor_sums.cu", "tensor_sums_total", Macros, (DType.Float32, false));

    /// <summary>The sum of all elements of all tensors, or of their squares.</summary>
    /// <param name="tensors">float32 or bfloat16, any shapes and strides.</param>
    /// <param name="squares">Whether to square the elements.</param>
    /// <param name="result">float32 <c>[]</c>; overwritten.</param>
    public static void Sum(ReadOnlySpan<Tensor> tensors, bool squares, Tensor result)
    {
        using var scope = new TensorScope();
        var dense = new Tensor[tensors.Length];
        long blocks = 0;
        for (int i = 0; i < dense.Length; i++)
        {
            dense[i] = tensors[i].Contiguous();
            blocks += BlocksOf(dense[i]);
        }

        // The blocks' sums are float64, for which tensors have no type.
        Tensor sums = Tensor.Empty([2 * blocks], DType.Float32, result.Device);
        nint next = sums.Address;
        foreach (IGrouping<DType, Tensor> type in dense.Where(tensor => tensor.Count > 0).GroupBy(tensor => tensor.DType))
        {
            foreach (Tensor[] some in type.Chunk(TensorTable.Most))
            {
                var table = new TensorTable(some, out long used);
                BlockKernel[result.Device, (type.Key, squares)].Launch(
                    new CudaGrid(used, Threads), KernelArgument.Of(in table), next);
                next += (nint)(used * sizeof(double));
            }
        }

        TotalKernel[result.Device, (DType.Float32, false)].Launch(new CudaGrid(1, TotalThreads), sums, blocks, result);
    }

    private static long BlocksOf(Tensor tensor) => (tensor.Count + BlockElements - 1) / BlockElements;

    private static (string Name, object Value)[] Macros((DType Type, bool Squares) key) =>
        [("TYPE", key.Type.CudaName()), ("SQUARES", key.Squares ? 1 : 0)];

    [StructLayout(LayoutKind.Sequential)]
    [CudaStruct("tensor_sums.cu", "TensorTable")]
    private struct TensorTable
    {
        public const int Most = 128;

        private long _tensors;
        private fixed long _elements[Most];
        private fixed long _counts[Most];
        private fixed long _firstBlock[Most];

        public TensorTable(Tensor[] tensors, out long blocks)
        {
            blocks = 0;
            _tensors = tensors.Length;
            for (int i = 0; i < tensors.Length; i++)
            {
                _elements[i] = tensors[i].Address;
                _counts[i] = tensors[i].Count;
                _firstBlock[i] = blocks;
                blocks += BlocksOf(tensors[i]);
            }
        }
    }
}
