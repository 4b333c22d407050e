namespace DynConv.Ops;

/// <summary>Rows of a table, picked by token ids.</summary>
/// <remarks>
/// The CPU refuses an id out of range. On CUDA nobody waits to look at ids: one that is out of range gives a row of NaN
/// and has no part in the gradient.
/// </remarks>
public static partial class EmbeddingLookup
{
    /// <summary><c>y[..., :] = weight[ids[...], :]</c>.</summary>
    /// <param name="weight"><c>[V, D]</c>, float32, or bfloat16 on CUDA, any strides.</param>
    /// <param name="ids">int32, any shape and strides, each in <c>[0, V)</c>.</param>
    /// <param name="dtype">Of the result: the weight's if not given; bfloat16 is possible on CUDA.</param>
    /// <returns><c>[..., D]</c>: the shape of <paramref name="ids"/> with D added, contiguous.</returns>
    /// <exception cref="TensorException">A shape or dtype does not fit, or, on the CPU, an id lies outside the table.</exception>
    public static Tensor Apply(Tensor weight, Tensor ids, DType? dtype = null)
    {
        ArgumentNullException.ThrowIfNull(weight);
        ArgumentNullException.ThrowIfNull(ids);
        OpArguments.Rank("embedding", "weight", weight, 2, "[V, D]");
        OpArguments.Floating("embedding", weight);
        OpArguments.OneDevice("embedding", weight, ids);
        if (ids.DType != DType.Int32)
        {
            throw new TensorException("embedding", $"ids have to be int32, not {ids.DType.Name()}.", ids);
        }

        using var scope = new TensorScope();
        weight = RowLayout.Of(weight);
        ids = ids.Contiguous();
        Tensor y = Tensor.Empty(Shape.Create([.. ids.Shape, weight.Shape[1]]), dtype ?? weight.DType, weight.Device);
        OpArguments.Floating("embedding", y);
        OpArguments.Weight("embedding", "the weight", weight, y);
        if (weight.Device.IsCuda)
        {
            ForwardCuda(weight, ids, y);
        }
        else
        {
            CheckIdsCpu(weight, ids);
            ForwardCpu(weight, ids, y);
        }

        return scope.Keep(Tape.Record("embedding", y, [weight], [ids], static g =>
        {
            Tensor dy = RowLayout.Of(g.Gradient(0)!);
            using var gradients = new GradientPlaces(g);
            GradientRows gradient = gradients.Rows(0, innerDimensions: 1);
            gradient.ClearUndefined();
            if (dy.Device.IsCuda)
            {
                BackwardCuda(dy, g.Saved(0), gradient.Tensor!);
            }
            else
            {
                BackwardCpu(dy, g.Saved(0), gradient.Tensor!);
            }
        }));
    }
}
