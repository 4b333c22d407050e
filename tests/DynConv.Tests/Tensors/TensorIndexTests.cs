namespace DynConv.Tests.Tensors;

public sealed class TensorIndexTests
{
    [Fact]
    public void Places_and_ranges_pick_parts()
    {
        using var scope = new TensorScope();
        Tensor x = Tensor.From(Enumerable.Range(0, 24).ToArray(), [2, 3, 4]);
        Is([12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23], [3, 4], x[1]);
        Is([20, 21, 22, 23], [4], x[-1, 2]);
        Is([23], [], x[^1, ^1, ^1]);
        Is([1, 5, 9, 13, 17, 21], [2, 3], x[.., .., 1]);
        Is([5, 6, 17, 18], [2, 1, 2], x[.., 1..2, 1..3]);
        Is([], [0, 3, 4], x[2..]);
        Is([.. Enumerable.Range(0, 24)], [2, 3, 4], x[..]);
        Assert.Equal(x.Shape, x[[]].Shape);

        static void Is(int[] values, Shape shape, Tensor part)
        {
            Assert.Equal(shape, part.Shape);
            Assert.Equal(values, part.ToArray<int>());
        }
    }

    [Fact]
    public void What_lies_outside_is_refused()
    {
        using var scope = new TensorScope();
        Tensor x = Tensor.Zeros([2, 3]);
        Assert.Equal("index: 2 lies outside dimension 0 of shape [2, 3].", Assert.Throws<TensorException>(() => x[2]).Message);
        Assert.Equal("index: ^3 lies outside dimension 0 of shape [2, 3].", Assert.Throws<TensorException>(() => x[-3]).Message);
        Assert.Equal("index: 1..4 lies outside dimension 1 of shape [2, 3].", Assert.Throws<TensorException>(() => x[.., 1..4]).Message);
        Assert.Equal("index: shape [2, 3] has no 3 dimensions.", Assert.Throws<TensorException>(() => x[0, 0, 0]).Message);
    }

    [Fact]
    public void A_part_can_be_written_and_has_its_part_of_the_gradient()
    {
        using var scope = new TensorScope();
        Tensor x = Tensor.Zeros([2, 3]);
        x[1, 1..].CopyFrom(Tensor.From([5f, 6f], [2]));
        x[.., 0].Fill(9);
        Assert.Equal([9f, 0f, 0f, 9f, 5f, 6f], x.ToArray<float>());

        x.RequireGradient();
        using var tape = new Tape();
        tape.Backward((x[1] * x[1, 2]).Sum());
        Assert.Equal([0f, 0f, 0f, 6f, 6f, 26f], x.Gradient!.ToArray<float>());
    }

    [Fact]
    public void Dimensions_are_put_in_order()
    {
        using var scope = new TensorScope();
        Tensor x = Tensor.From(Enumerable.Range(0, 6).Select(i => (float)i).ToArray(), [1, 2, 3]).RequireGradient();
        using var tape = new Tape();
        Tensor turned = x.Permute(2, 0, 1);
        Assert.Equal([0f, 3f, 1f, 4f, 2f, 5f], turned.ToArray<float>());
        tape.Backward((turned * Tensor.From([1f, 2f, 3f, 4f, 5f, 6f], [3, 1, 2])).Sum());
        Assert.Equal([1f, 3f, 5f, 2f, 4f, 6f], x.Gradient!.ToArray<float>());
        Assert.Equal("permute: [0, 0, 1] is no order of the 3 dimensions of shape [1, 2, 3].", Assert.Throws<TensorException>(() => x.Permute(0, 0, 1)).Message);
    }

    [Fact]
    public void Fresh_tensors_have_the_values_that_were_asked_for()
    {
        using var scope = new TensorScope();
        Assert.Equal([1f, 1f], Tensor.Ones([2]).ToArray<float>());
        Assert.Equal([7, 7], Tensor.Full([2], 7, DType.Int32).ToArray<int>());
        Assert.Throws<ArgumentException>("value", () => Tensor.Full([2], 0.5f, DType.Int32));
        Assert.Throws<NotSupportedException>(() => Tensor.From([1.0], [1]));
        Assert.Throws<ArgumentOutOfRangeException>(() => Tensor.Zeros([2, -1]));
    }
}
