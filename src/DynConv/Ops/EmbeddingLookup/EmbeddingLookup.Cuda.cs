using DynConv.Cuda;

namespace DynConv.Ops;

public static partial class EmbeddingLookup
{
    private const int Threads = 256;
    private const int Lanes = 32;

    private static readonly KernelTable<(DType Table, DType Type, int Vector)> ForwardTable = new(
        "embedding.cu",
        "embedding_forward",
        key => [("TABLE", key.Table.CudaName()), ("TYPE", key.Type.CudaName()), ("VECTOR", key.Vector)],
        (DType.Float32, DType.BFloat16, ElementLaunch.Wide),
        (DType.BFloat16, DType.BFloat16, ElementLaunch.Narrow),
        (DType.Float32, DType.Float32, ElementLaunch.Single));

    private static readonly KernelTable<ValueTuple> CountTable = Ordering("embedding_count");
    private static readonly KernelTable<ValueTuple> PlaceTable = Ordering("embedding_place");
    private static readonly KernelTable<ValueTuple> ListTable = Ordering("embedding_list");
    private static readonly KernelTable<ValueTuple> OrderTable = Ordering("embedding_order");

    private static readonly KernelTable<(DType Type, DType Target, int Vector)> SumTable = new(
        "embedding_sum.cu",
        "embedding_sum",
        key => [("TYPE", key.Type.CudaName()), ("TARGET", key.Target.CudaName()), ("VECTOR", key.Vector)],
        (DType.BFloat16, DType.Float32, ElementLaunch.Wide),
        (DType.BFloat16, DType.BFloat16, ElementLaunch.Narrow),
        (DType.Float32, DType.Float32, ElementLaunch.Single));

    private static void ForwardCuda(Tensor weight, Tensor ids, Tensor y)
    {
        if (y.Count == 0)
        {
            return;
        }

        int vector = VectorOf(weight, y);
        ForwardTable[y.Device, (weight.DType, y.DType, vector)].Launch(
            CudaGrid.Covering(y.Count / vector, Threads),
            weight,
            weight.Strides[0],
            weight.Shape[0],
            ids,
            ids.Count,
            weight.Shape[1],
            y);
    }

    /// <summary><c>target[ids[n], :] += dy[n, :]</c>, in the order of n.</summary>
    private static void BackwardCuda(Tensor dy, Tensor ids, Tensor target)
    {
        if (dy.Count == 0)
        {
            return;
        }

        Device device = dy.Device;
        (long tokens, long rows, long columns) = (ids.Count, target.Shape[0], target.Shape[1]);
        Tensor counts = Tensor.Zeros([rows + 1], DType.Int32, device);
        nint taken = counts.Address + (nint)(rows * sizeof(int));
        Tensor slots = Tensor.Empty([tokens], DType.Int32, device);
        Tensor starts = Tensor.Empty([rows], DType.Int32, device);
        Tensor list = Tensor.Empty([tokens], DType.Int32, device);
        Tensor ordered = Tensor.Empty([tokens], DType.Int32, device);
        var grid = CudaGrid.Covering(tokens, Threads);
        CountTable[device, default].Launch(grid, ids, tokens, rows, counts, slots);
        PlaceTable[device, default].Launch(grid, ids, tokens, counts, slots, starts, taken);
        ListTable[device, default].Launch(grid, ids, tokens, slots, starts, list);
        OrderTable[device, default].Launch(grid, ids, tokens, slots, counts, starts, list, ordered);

        int vector = VectorOf(dy, target);
        long perBlock = Lanes * vector;
        var layout = new RowStrides(RowWalk.OverRows(dy));
        SumTable[device, (dy.DType, target.DType, vector)].Launch(
            new CudaGrid((tokens, (columns + perBlock - 1) / perBlock, 1), Threads),
            KernelArgument.Of(in layout),
            dy,
            ids,
            slots,
            counts,
            starts,
            ordered,
            target,
            target.Strides[0],
            columns);
    }

    private static int VectorOf(Tensor a, Tensor b)
    {
        int vector = Math.Min(
            ElementLaunch.VectorOf(RowWalk.OverRows(a), [a]), ElementLaunch.VectorOf(RowWalk.OverRows(b), [b]));
        return a.Shape[^1] % vector == 0 ? vector : ElementLaunch.Single;
    }

    private static KernelTable<ValueTuple> Ordering(string entryPoint) =>
        new("embedding_order.cu", entryPoint, _ => [], default(ValueTuple));
}
