using System.Runtime.InteropServices;
using DynConv.Cuda;

namespace DynConv.Ops;

public static partial class Rope
{
    private const int Threads = 256;

    private static readonly KernelTable<(DType Type, int Vector)> RotateTable = new(
        "rope.cu",
        "rope_rotate",
        key => [("TYPE", key.Type.CudaName()), ("VECTOR", key.Vector)],
        (DType.Float32, ElementLaunch.Wide),
        (DType.BFloat16, ElementLaunch.Narrow),
        (DType.BFloat16, ElementLaunch.Single));

    private static void RotateCuda(
        Tensor x, Tensor table, long position, Tensor? positions, Tensor y, bool backwards, bool accumulate)
    {
        if (x.Count == 0)
        {
            return;
        }

        long half = table.Shape[2];
        int vector = ElementLaunch.VectorOf(RowWalk.OverRows(x, y), [x, y]);
        vector = half % vector == 0 ? vector : ElementLaunch.Single;
        var shape = new RopeShape(
            x.Shape[0],
            x.Shape[1],
            x.Shape[2],
            half,
            x.Strides[0],
            x.Strides[1],
            x.Strides[2],
            y.Strides[0],
            y.Strides[1],
            y.Strides[2]);
        RotateTable[x.Device, (x.DType, vector)].Launch(
            CudaGrid.Covering(x.Count / 2 / vector, Threads),
            KernelArgument.Of(in shape),
            x,
            table.Address + (nint)(position * 2 * half * sizeof(float)),
            positions,
            y,
            backwards ? -1f : 1f,
            accumulate ? 1 : 0);
    }

    /// <summary>As in rope.cu.</summary>
    [StructLayout(LayoutKind.Sequential)]
    [CudaStruct("rope.cu", "RopeShape")]
    private readonly record struct RopeShape(
        long Sequences,
        long Tokens,
        long Heads,
        long Half,
        long XSequence,
        long XToken,
        long XHead,
        long YSequence,
        long YToken,
        long YHead);
}
