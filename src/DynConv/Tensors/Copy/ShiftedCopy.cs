using System.Runtime.InteropServices;
using DynConv.Cuda;

namespace DynConv;

/// <summary>
/// On a GPU, copies and sums of rows that begin at any element, such as those of an odd number of bfloat16: in accesses of 16 bytes
/// (shifted_copy.cu), where <see cref="ElementLaunch"/> would move one element a thread.
/// </summary>
internal static class ShiftedCopy
{
    private const int Threads = 256;
    private const int Items = 2;
    private const int AccessBytes = 16;

    private static readonly KernelTable<(DType Type, bool Adds)> Kernel = new(
        "shifted_copy.cu",
        "shifted_copy",
        key => [("ELEMENT", key.Type == DType.BFloat16 ? "bf16" : "float"), ("ADD", key.Adds ? 1 : 0)],
        (DType.BFloat16, false),
        (DType.BFloat16, true),
        (DType.Float32, true));

    /// <summary>Copies or adds; false, and nothing done, where elements change their type, lie apart, or move in aligned accesses as they are.</summary>
    /// <param name="source">What is copied.</param>
    /// <param name="destination">Of the same shape.</param>
    /// <param name="adds">Whether to add to what is there.</param>
    public static bool Run(Tensor source, Tensor destination, bool adds)
    {
        var walk = RowWalk.OverElements(source, destination);
        if (source.DType != destination.DType || !walk.IsDense || walk.Length < AccessBytes / source.DType.SizeInBytes()
            || ElementLaunch.VectorOf(walk, [source, destination]) != ElementLaunch.Single)
        {
            return false;
        }

        Launch(walk, source, destination, walk.Length, adds);
        return true;
    }

    /// <summary>Copies into longer rows, filled up with zeros.</summary>
    /// <param name="source"><c>[…, D]</c>.</param>
    /// <param name="destination"><c>[…, at least D]</c>, of the same type.</param>
    public static void Fill(Tensor source, Tensor destination)
    {
        long length = source.Shape[^1];
        Tensor inside = destination.Slice(destination.Rank - 1, 0, length);
        var walk = RowWalk.OverRows(source, inside);
        if (walk.IsDense)
        {
            Launch(walk, source, destination, destination.Shape[^1], adds: false);
            return;
        }

        StridedCopy.Clear(destination.Slice(destination.Rank - 1, length, destination.Shape[^1] - length));
        StridedCopy.Copy(source, inside);
    }

    private static void Launch(RowWalk walk, Tensor source, Tensor destination, long filled, bool adds)
    {
        if (walk.Rows == 0)
        {
            return;
        }

        int vector = AccessBytes / source.DType.SizeInBytes();
        var rows = new ShiftedRows(walk.Rows, walk.Length, filled, (filled + (2 * vector) - 2) / vector, new RowStrides(walk));
        Kernel[source.Device, (source.DType, adds)].Launch(
            CudaGrid.Covering(((rows.Rows * rows.Vectors) + Items - 1) / Items, Threads),
            KernelArgument.Of(in rows),
            source,
            destination);
    }

    [StructLayout(LayoutKind.Sequential)]
    [CudaStruct("shifted_copy.cu", "ShiftedRows")]
    private readonly record struct ShiftedRows(long Rows, long Length, long Filled, long Vectors, RowStrides Layout);
}
