using System.Numerics.Tensors;

namespace DynConv.Tests.Tensors;

public sealed class SpanTests
{
    [Fact]
    public void A_span_is_the_memory_itself()
    {
        using var scope = new TensorScope();
        Tensor x = Tensor.From([1f, 2f, 3f, 4f], [2, 2]);
        TensorPrimitives.Exp<float>(x.AsSpan<float>(), x.AsSpan<float>());
        Assert.Equal([MathF.Exp(1), MathF.Exp(2), MathF.Exp(3), MathF.Exp(4)], x.ToArray<float>(), (a, b) => MathF.Abs(a - b) < 1e-4f);
        x[1].AsSpan<float>().Fill(5);
        Assert.Equal([5f, 5f], x[1].ToArray<float>());
    }

    [Fact]
    public void A_tensor_span_shows_any_strides()
    {
        using var scope = new TensorScope();
        Tensor x = Tensor.From(Enumerable.Range(0, 24).ToArray(), [2, 3, 4]);
        foreach (Tensor view in (Tensor[])[x, x.Transpose(0, 2), x[.., 1..3, ..2], x[.., ..1], x[1, .., 2], x[0, 0, 0], x[2..]])
        {
            TensorSpan<int> span = view.AsTensorSpan<int>();
            Assert.Equal(view.Rank == 0 ? [1L] : view.Shape.Dimensions.ToArray(), span.Lengths.ToArray().Select(length => (long)length));
            int[] flat = new int[view.Count];
            span.FlattenTo(flat);
            Assert.Equal(view.ToArray<int>(), flat);
            Assert.Equal(view.ToArray<int>(), Tensor.From<int>(span).ToArray<int>());
        }

        x[.., 1..3].AsTensorSpan<int>()[1, 0, 3] = -7;
        Assert.Equal(-7, x[1, 1, 3].ToArray<int>()[0]);
    }

    [Fact]
    public void What_cannot_be_shown_is_refused()
    {
        using var scope = new TensorScope();
        Tensor x = Tensor.Zeros([2, 3]);
        Assert.Equal(
            "span: a tensor with strides [1, 3] is not contiguous; AsTensorSpan shows it as it is.",
            Assert.Throws<TensorException>(() => x.Transpose(0, 1).AsSpan<float>()).Message);
        Assert.Throws<TensorException>(() => x.AsSpan<int>());
    }
}
