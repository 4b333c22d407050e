namespace DynConv.Ops;

/// <summary>For kernels that want the elements of a row side by side.</summary>
internal static class DenseRows
{
    /// <summary>The tensor itself if neighbours of the innermost dimension are adjacent, else a contiguous copy.</summary>
    public static Tensor Of(Tensor tensor) => IsDense(tensor) ? tensor : tensor.Contiguous();

    /// <summary>
    /// Lets <paramref name="write"/> write or add (its second argument) the gradient of an input into a tensor with
    /// dense rows; does nothing if that gradient is not wanted.
    /// </summary>
    public static void WriteGradient(BackwardContext g, int input, Action<Tensor, bool> write)
    {
        if (!g.Needs(input))
        {
            return;
        }

        (Tensor target, bool accumulate) = g.Target(input);
        if (IsDense(target))
        {
            write(target, accumulate);
            return;
        }

        Tensor dense = Tensor.Empty(target.Shape, target.DType, target.Device);
        write(dense, false);
        if (accumulate)
        {
            StridedCopy.Add(dense, target);
        }
        else
        {
            StridedCopy.Copy(dense, target);
        }
    }

    private static bool IsDense(Tensor tensor) => tensor.Rank == 0 || tensor.Strides[^1] == 1 || tensor.Shape[^1] <= 1;
}
