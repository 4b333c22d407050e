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

    private static void RotateCuda(ReadOnlySpan<Turning> turnings, Tensor table, long position, Tensor? positions, bool backwards)
    {
        long half = table.Shape[2];
        int vector = ElementLaunch.Narrow;
        foreach ((Tensor from, Tensor to, _) in turnings)
        {
            int possible = ElementLaunch.VectorOf(RowWalk.OverRows(from, to), [from, to]);
            vector = Math.Min(vector, half % possible == 0 ? possible : ElementLaunch.Single);
        }

        Tensor x = turnings[0].X;
        RopeHeads first = HeadsOf(turnings[0]);
        RopeHeads second = turnings.Length > 1 ? HeadsOf(turnings[1]) : default;
        long firstBlocks = BlocksOf(turnings[0]);
        var shape = new RopeShape(x.Shape[0], x.Shape[1], half, firstBlocks);
        RotateTable[x.Device, (x.DType, vector)].Launch(
            new CudaGrid(firstBlocks + (turnings.Length > 1 ? BlocksOf(turnings[1]) : 0), Threads),
            KernelArgument.Of(in shape),
            KernelArgument.Of(in first),
            KernelArgument.Of(in second),
            table.Address + (nint)(position * 2 * half * sizeof(float)),
            positions,
            backwards ? -1f : 1f);

        long BlocksOf(Turning turning) => ((turning.X.Count / 2 / vector) + Threads - 1) / Threads;
    }

    private static RopeHeads HeadsOf(Turning turning) =>
        new(CudaHeads.Of(turning.X), CudaHeads.Of(turning.Y), turning.X.Shape[2], turning.Accumulate ? 1 : 0);

    /// <summary>As in rope.cu.</summary>
    [StructLayout(LayoutKind.Sequential)]
    [CudaStruct("rope.cu", "RopeShape")]
    private readonly record struct RopeShape(long Sequences, long Tokens, long Half, long FirstBlocks);

    /// <summary>As in rope.cu.</summary>
    [StructLayout(LayoutKind.Sequential)]
    [CudaStruct("rope.cu", "RopeHeads")]
    private readonly record struct RopeHeads(CudaHeads X, CudaHeads Y, long Heads, long Accumulate);
}
