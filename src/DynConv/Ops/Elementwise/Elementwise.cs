namespace DynConv.Ops;

/// <summary>The few element by element ops and reductions that models and losses are joined with.</summary>
public static class Elementwise
{
    /// <summary><c>a + b</c>, of one shape and dtype, any strides: a residual connection.</summary>
    /// <param name="a">First summand.</param>
    /// <param name="b">Second summand.</param>
    public static Tensor Add(Tensor a, Tensor b)
    {
        if (a.Shape != b.Shape)
        {
            throw new TensorException("add", $"shapes {a.Shape} and {b.Shape} differ.", a, b);
        }

        Tensor sum = Tensor.Empty(a.Shape, a.DType, a.Device);
        StridedCopy.Copy(a, sum);
        StridedCopy.Add(b, sum);
        return Tape.Record("add", sum, [a, b], [], static g =>
        {
            g.Add(0, g.Gradient(0)!);
            g.Add(1, g.Gradient(0)!);
        });
    }
}
