namespace DynConv.Ops;

/// <summary>Rows of a table, picked by token ids.</summary>
public static partial class Embedding
{
    /// <summary><c>y[..., :] = weight[ids[...], :]</c>.</summary>
    /// <param name="weight"><c>[V, D]</c>, float32, any strides.</param>
    /// <param name="ids">int32, any shape and strides, each in <c>[0, V)</c>.</param>
    /// <returns><c>[..., D]</c>: the shape of <paramref name="ids"/> with D added, contiguous.</returns>
    /// <exception cref="TensorException">A shape or dtype does not fit, or an id lies outside the table.</exception>
    public static Tensor Apply(Tensor weight, Tensor ids)
    {
        OpArguments.Rank("embedding", "weight", weight, 2, "[V, D]");
        OpArguments.Float32("embedding", weight);
        OpArguments.OneDevice("embedding", weight, ids);
        if (ids.DType != DType.Int32)
        {
            throw new TensorException("embedding", $"ids have to be int32, not {ids.DType.Name()}.", ids);
        }

        using var scope = new TensorScope();
        weight = RowLayout.Of(weight);
        ids = ids.Contiguous();
        CheckIdsCpu(weight, ids);
        Tensor y = Tensor.Empty(Shape.Create([.. ids.Shape, weight.Shape[1]]), weight.DType, weight.Device);
        ForwardCpu(weight, ids, y);
        return scope.Keep(Tape.Record("embedding", y, [weight], [ids], static g =>
        {
            Tensor dy = RowLayout.Of(g.Gradient(0)!);
            using GradientRows gradient = GradientRows.Of(g, 0, innerDimensions: 1);
            if (!gradient.Accumulate)
            {
                gradient.Tensor!.Clear();
            }

            BackwardCpu(dy, g.Saved(0), gradient.Tensor!);
        }));
    }
}
