namespace DynConv;

/// <summary>Whether tensors have elements in common, which an op that writes one and reads another would get wrong.</summary>
internal static class Overlap
{
    /// <summary>Whether two places of one tensor are the same element, as where a stride is 0.</summary>
    public static bool Within(Tensor tensor)
    {
        // Most are, and this is asked of every copy.
        if (tensor.IsContiguous)
        {
            return false;
        }

        // Strides of views nest: each is longer than all that lies inside it.
        int[] dimensions = [.. Enumerable.Range(0, tensor.Rank).Where(i => tensor.Shape[i] > 1)];
        Array.Sort([.. dimensions.Select(i => StrideOf(tensor, i))], dimensions);
        long inside = 0;
        foreach (int i in dimensions)
        {
            long stride = StrideOf(tensor, i);
            if (stride <= inside)
            {
                return true;
            }

            inside += stride * (tensor.Shape[i] - 1);
        }

        return false;
    }

    /// <summary>Whether two tensors share an element; slices beside one another in a wider tensor do not.</summary>
    public static bool Between(Tensor a, Tensor b)
    {
        if (!ReferenceEquals(a.Storage, b.Storage) || a.Count == 0 || b.Count == 0)
        {
            return false;
        }

        List<(long Start, long End)> first = Stretches(a);
        List<(long Start, long End)> second = Stretches(b);
        for (int i = 0, j = 0; i < first.Count && j < second.Count;)
        {
            if (first[i].Start < second[j].End && second[j].Start < first[i].End)
            {
                return true;
            }

            _ = first[i].End <= second[j].End ? i++ : j++;
        }

        return false;
    }

    private static long StrideOf(Tensor tensor, int dimension) => tensor.Strides[dimension];

    /// <summary>The bytes of a tensor's elements, in order; neighbours are one stretch.</summary>
    private static List<(long Start, long End)> Stretches(Tensor tensor)
    {
        long size = tensor.DType.SizeInBytes();
        bool rows = tensor.Rank > 0 && (tensor.Strides[^1] == 1 || tensor.Shape[^1] == 1);
        int outer = rows ? tensor.Rank - 1 : tensor.Rank;
        long length = (rows ? tensor.Shape[^1] : 1) * size;
        var starts = new List<long> { tensor.Address };
        for (int i = 0; i < outer; i++)
        {
            long step = tensor.Strides[i] * size;
            long count = tensor.Strides[i] == 0 ? 1 : tensor.Shape[i];
            starts = [.. starts.SelectMany(start => Enumerable.Range(0, checked((int)count)).Select(at => start + (at * step)))];
        }

        starts.Sort();
        var stretches = new List<(long Start, long End)>();
        foreach (long start in starts)
        {
            if (stretches.Count > 0 && start <= stretches[^1].End)
            {
                stretches[^1] = (stretches[^1].Start, Math.Max(stretches[^1].End, start + length));
            }
            else
            {
                stretches.Add((start, start + length));
            }
        }

        return stretches;
    }
}
