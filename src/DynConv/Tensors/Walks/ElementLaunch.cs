using System.Runtime.InteropServices;
using DynConv.Cuda;

namespace DynConv;

/// <summary>
/// Launches kernels that take each element by itself (element_walk.cuh) over tensors of one shape and any strides.
/// </summary>
internal static class ElementLaunch
{
    /// <summary>Elements of a chunk where a tensor holds bfloat16: one access of it, two of float32 beside it.</summary>
    public const int Narrow = 8;

    /// <summary>Elements of a chunk where all tensors hold float32.</summary>
    public const int Wide = 4;

    /// <summary>Elements of a chunk where strides or addresses forbid accesses of 16 bytes.</summary>
    public const int Single = 1;

    private const int Threads = 256;
    private const int AccessBytes = 16;

    /// <summary>What element_walk.cuh asks of the compiler.</summary>
    /// <param name="vector">Elements of a chunk.</param>
    public static (string Name, object Value)[] Macros(int vector) =>
        [("VECTOR", vector), ("ITEMS", Items(vector)), ("ELEMENT_THREADS", Threads)];

    /// <summary>
    /// Runs a kernel whose parameters are the walk and then <paramref name="arguments"/>. Where rows do not end with a
    /// whole chunk, a second launch takes what is left of them.
    /// </summary>
    /// <param name="kernel">The kernel for chunks of so many elements.</param>
    /// <param name="tensors">In the order of the offsets that the kernel's op is given.</param>
    /// <param name="arguments">Addresses and numbers.</param>
    public static void Run(
        Func<int, CudaKernel> kernel, ReadOnlySpan<Tensor> tensors, params ReadOnlySpan<KernelArgument> arguments)
    {
        var walk = RowWalk.OverElements(tensors);
        if (walk.Rows == 0)
        {
            return;
        }

        int vector = VectorOf(walk, tensors);
        long whole = walk.Length / vector * vector;
        Launch(kernel(vector), vector, walk, 0, whole, arguments);
        if (whole < walk.Length)
        {
            Launch(kernel(Single), Single, walk, whole, walk.Length - whole, arguments);
        }
    }

    /// <summary>The elements that can move at a time in all tensors: 16 bytes of the narrowest type, or one.</summary>
    /// <param name="walk">Over the tensors.</param>
    /// <param name="tensors">In the order of the walk.</param>
    public static int VectorOf(RowWalk walk, ReadOnlySpan<Tensor> tensors)
    {
        int size = AccessBytes;
        foreach (Tensor tensor in tensors)
        {
            size = Math.Min(size, tensor.DType.SizeInBytes());
        }

        int vector = AccessBytes / size;
        return walk.IsDense && walk.Length >= vector && AreAligned(walk, tensors) ? vector : Single;
    }

    private static bool AreAligned(RowWalk walk, ReadOnlySpan<Tensor> tensors)
    {
        for (int t = 0; t < tensors.Length; t++)
        {
            bool aligned = tensors[t].Address % AccessBytes == 0;
            for (int d = 0; d < walk.OuterDimensions.Length; d++)
            {
                aligned &= walk.OuterStride(d, t) % (AccessBytes / tensors[t].DType.SizeInBytes()) == 0;
            }

            if (!aligned)
            {
                return false;
            }
        }

        return true;
    }

    private static void Launch(
        CudaKernel kernel, int vector, RowWalk walk, long start, long length, ReadOnlySpan<KernelArgument> arguments)
    {
        var elements = new ElementWalk(walk.Rows, length / vector, start, new RowStrides(walk));
        Span<KernelArgument> all = stackalloc KernelArgument[arguments.Length + 1];
        all[0] = KernelArgument.Of(in elements);
        arguments.CopyTo(all[1..]);
        long perBlock = Threads * Items(vector);
        kernel.Launch(new CudaGrid(((elements.Rows * elements.Chunks) + perBlock - 1) / perBlock, Threads), all);
    }

    // Chunks that a thread reads before it writes the first: enough bytes on their way to keep the memory busy.
    private static int Items(int vector) => vector == Single ? 4 : 2;

    [StructLayout(LayoutKind.Sequential)]
    [CudaStruct("element_walk.cuh", "ElementWalk")]
    private readonly record struct ElementWalk(long Rows, long Chunks, long Start, RowStrides Layout);
}
