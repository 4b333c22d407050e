namespace DynConv.Ops;

/// <summary>Sums over the dimensions along which broadcasting repeats a tensor.</summary>
internal static unsafe class RepeatedSums
{
    /// <summary>Undoes <see cref="Tensor.Repeat"/>: the sum over all repetitions of each element; records nothing.</summary>
    /// <param name="x">float32, or bfloat16 on CUDA, any strides.</param>
    /// <param name="shape">One that can be repeated to that of <paramref name="x"/>.</param>
    /// <returns><paramref name="x"/> itself where nothing was repeated.</returns>
    public static Tensor To(Tensor x, Shape shape)
    {
        if (x.Shape == shape)
        {
            return x;
        }

        int added = x.Rank - shape.Rank;
        int[] summed = [.. Enumerable.Range(0, x.Rank).Where(i => i < added || (shape[i - added] == 1 && x.Shape[i] != 1))];
        Tensor sum = Tensor.Empty(shape, x.DType, x.Device);
        if (sum.Count == 1)
        {
            Tensor all = Tensor.Empty([], DType.Float32, x.Device);
            All(x, all);
            StridedCopy.Copy(all.Reshape(shape.Dimensions), sum);
            return sum;
        }

        // The dimensions that stay become the columns.
        Tensor ordered = x.Permute([.. summed, .. Enumerable.Range(0, x.Rank).Except(summed)]);
        ColumnSums.Into(RowLayout.Of(ordered.Reshape(-1, Math.Max(1, sum.Count))), sum.Reshape(-1), accumulate: false);
        return sum;
    }

    /// <summary>The sum of all elements; partial sums are float64 and add up in a fixed order.</summary>
    /// <param name="x">float32, or bfloat16 on CUDA, any strides.</param>
    /// <param name="sum">float32, one element; overwritten.</param>
    public static void All(Tensor x, Tensor sum)
    {
        if (x.Device.IsCuda)
        {
            TensorSums.Sum([x], squares: false, sum);
        }
        else
        {
            *sum.Float() = (float)BlockSum.Of(default(Identity), x);
        }
    }

    private readonly struct Identity : ISumTerm
    {
        public TVector Of<TSimd, TVector>(TVector x)
            where TSimd : struct, Cpu.ISimd<TVector>
            where TVector : struct => x;
    }
}
