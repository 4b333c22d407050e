using DynConv.Cpu;
using DynConv.Ops;

namespace DynConv.Tests.Ops;

public sealed class GradientNormTests
{
    [Fact]
    public void Squares_of_all_tensors_add_up_whatever_their_strides()
    {
        using var scope = new TensorScope();
        Tensor wide = Tensor.From(Enumerable.Range(0, 12).Select(i => (float)i).ToArray(), [3, 4]);
        Tensor sum = GradientNorm.SquaredSum(wide.Slice(1, 1, 2), wide.Transpose(0, 1), Tensor.Zeros([0]));
        int sliced = new[] { 1, 2, 5, 6, 9, 10 }.Sum(i => i * i);
        Assert.Equal(sliced + Enumerable.Range(0, 12).Sum(i => i * i), sum.Item());
    }

    [Fact]
    public void Any_number_of_threads_gives_the_same_bits()
    {
        using var scope = new TensorScope();
        Tensor x = Tensor.From(Enumerable.Range(0, 300_001).Select(i => MathF.Sin(i)).ToArray(), [300_001]);
        int before = Workers.Count;
        try
        {
            Workers.Count = 1;
            float wanted = GradientNorm.SquaredSum(x).Item();
            Workers.Count = 5;
            Assert.Equal(wanted, GradientNorm.SquaredSum(x).Item());
        }
        finally
        {
            Workers.Count = before;
        }
    }

    [Theory]
    [InlineData(4f, 1f, 1f, 0.5f)]
    [InlineData(4f, 2f, 1f, 1f)]
    [InlineData(0f, 1f, 1f, 1f)]
    [InlineData(16f, 3f, 0.5f, 0.5f)]
    [InlineData(16f, 1f, 0.5f, 0.25f)]
    public void Clipping_brings_a_long_gradient_to_the_norm(float squaredSum, float maximum, float scale, float factor)
    {
        foreach (string device in TestDevices.Float32Names)
        {
            using var scope = new TensorScope();
            Tensor sum = Tensor.From([squaredSum], [], TestDevices.Get(device));
            Assert.Equal(factor, GradientNorm.ClipScale(sum, maximum, scale).Item());
        }
    }

    [Fact]
    public void No_tensors_are_refused()
    {
        var error = Assert.Throws<DynConvException>(() => GradientNorm.SquaredSum());
        Assert.Equal("A gradient norm needs at least one tensor.", error.Message);
    }
}
