namespace DynConv;

/// <summary>The layout that kernels read and write: any strides outside, contiguous inside.</summary>
internal static class RowLayout
{
    /// <summary>Whether the innermost dimensions lie one after the other.</summary>
    public static bool Has(Tensor tensor, int innerDimensions = 1)
    {
        long expected = 1;
        for (int i = tensor.Rank - 1; i >= tensor.Rank - innerDimensions; i--)
        {
            if (tensor.Shape[i] != 1 && tensor.Strides[i] != expected)
            {
                return tensor.Count == 0;
            }

            expected *= tensor.Shape[i];
        }

        return true;
    }

    /// <summary>The tensor itself if it has the layout, else a contiguous copy.</summary>
    public static Tensor Of(Tensor tensor, int innerDimensions = 1) =>
        Has(tensor, innerDimensions) ? tensor : tensor.Contiguous();
}
