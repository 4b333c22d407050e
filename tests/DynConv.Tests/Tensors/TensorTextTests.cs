namespace DynConv.Tests.Tensors;

public sealed class TensorTextTests
{
    [Fact]
    public void Values_are_shown()
    {
        using var scope = new TensorScope();
        Assert.Equal("float32 [] on cpu: 1.5", Tensor.From([1.5f], []).ToString());
        Assert.Equal("float32 [2, 3] on cpu\n[[1, -2.25, 0.3333],\n [0, NaN, ∞]]", Tensor.From([1f, -2.25f, 1 / 3f, 0f, float.NaN, float.PositiveInfinity], [2, 3]).ToString().Replace("Infinity", "∞", StringComparison.Ordinal));
        Assert.Equal("int32 [3] on cpu\n[7, -1, 0]", Tensor.From([7, -1, 0], [3]).ToString());
        Assert.Equal("float32 [2] on cpu\n[1.5e-7, 2.5e+9]", Tensor.From([1.5e-7f, 2.5e9f], [2]).ToString());
        Assert.Equal("float32 [0, 4] on cpu", Tensor.Zeros([0, 4]).ToString());
        Assert.Equal("bfloat16 [1] on cpu\n[3]", Tensor.Full([1], 3, DType.BFloat16).ToString());
    }

    [Fact]
    public void Long_dimensions_are_cut()
    {
        using var scope = new TensorScope();
        Tensor x = Tensor.From(Enumerable.Range(0, 70).ToArray(), [7, 10]);
        Assert.Equal(
            "int32 [7, 10] on cpu\n[[0, 1, 2, …, 7, 8, 9],\n [10, 11, 12, …, 17, 18, 19],\n [20, 21, 22, …, 27, 28, 29],\n …,\n [40, 41, 42, …, 47, 48, 49],\n [50, 51, 52, …, 57, 58, 59],\n [60, 61, 62, …, 67, 68, 69]]",
            x.ToString());
        Assert.Equal("[[[1, 1],\n  [1, 1]]]", Tensor.Ones([1, 2, 2]).ToString()["float32 [1, 2, 2] on cpu\n".Length..]);
    }

    [Fact]
    public void A_disposed_tensor_says_so()
    {
        Tensor x = Tensor.Zeros([3]);
        x.Dispose();
        Assert.Equal("float32 [3] (disposed)", x.ToString());
    }
}
