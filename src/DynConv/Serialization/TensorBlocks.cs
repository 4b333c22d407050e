namespace DynConv.Serialization;

/// <summary>Walks a tensor of any size and strides in views small enough for a host buffer.</summary>
internal static class TensorBlocks
{
    /// <summary>The most elements that a block has.</summary>
    public const int MaxElements = 1 << 16;

    /// <summary>Calls <paramref name="visit"/> with views that together are the tensor, the last index fastest.</summary>
    public static void ForEach(Tensor tensor, Action<Tensor> visit)
    {
        if (tensor.Count <= MaxElements)
        {
            if (tensor.Count > 0)
            {
                visit(tensor);
            }

            return;
        }

        int dimension = 0;
        while (tensor.Shape[dimension] == 1)
        {
            dimension++;
        }

        long length = tensor.Shape[dimension];
        long step = Math.Max(1, MaxElements / (tensor.Count / length));
        for (long start = 0; start < length; start += step)
        {
            using var scope = new TensorScope();
            ForEach(tensor.Slice(dimension, start, Math.Min(step, length - start)), visit);
        }
    }
}
