using DynConv.Cpu;
using DynConv.Ops;

namespace DynConv.Tests.Ops;

[Trait("Uses", "compiler")]
public sealed class GradientNormTests
{
    [Fact]
    public void Squares_of_all_tensors_add_up_whatever_their_strides()
    {
        foreach (string name in TestDevices.Names)
        {
            using var scope = new TensorScope();
            Device device = TestDevices.Get(name);
            float[] values = [.. Enumerable.Range(0, 12).Select(i => (float)i)];
            Tensor wide = Tensor.From(values, [3, 4], device);
            Tensor other = wide.Transpose(0, 1).To(TestDevices.TypeOf(name, isParameter: false));
            Tensor sum = GradientNorm.SquaredSum(wide.Slice(1, 1, 2), other, Tensor.Zeros([0], DType.Float32, device));
            int sliced = new[] { 1, 2, 5, 6, 9, 10 }.Sum(i => i * i);
            Assert.Equal(sliced + Enumerable.Range(0, 12).Sum(i => i * i), sum.Item());
        }
    }

    [Fact]
    public void Many_tensors_and_long_ones_add_up()
    {
        foreach (string name in TestDevices.Float32Names)
        {
            using var scope = new TensorScope();
            Tensor ones = Tensor.From(Enumerable.Repeat(1f, 40_000).ToArray(), [40_000], TestDevices.Get(name));
            Tensor[] tensors = [.. Enumerable.Range(0, 150).Select(i => ones.Slice(0, i, i % 5)), ones, ones.Slice(0, 1, 39_000)];
            Assert.Equal(79_300f, GradientNorm.SquaredSum(tensors).Item());
        }
    }

    [Fact]
    public void No_gradients_have_no_length()
    {
        foreach (string name in TestDevices.Float32Names)
        {
            using var scope = new TensorScope();
            Assert.Equal(0f, GradientNorm.SquaredSum(Tensor.Zeros([0], DType.Float32, TestDevices.Get(name))).Item());
        }
    }

    [Fact]
    public void Any_number_of_threads_gives_the_same_bits()
    {
        using var scope = new TensorScope();
        Tensor x = Tensor.From(Enumerable.Range(0, 300_001).Select(i => MathF.Sin(i)).ToArray(), [300_001]);
        Assert.Equal(Sum(threads: 1), Sum(threads: 5));

        float Sum(int threads)
        {
            using IDisposable limit = CpuSettings.LimitThreads(threads);
            return GradientNorm.SquaredSum(x).Item();
        }
    }

    [Theory]
    [InlineData(4f, 1f, 1f, 0.5f)]
    [InlineData(4f, 2f, 1f, 1f)]
    [InlineData(0f, 1f, 1f, 1f)]
    [InlineData(16f, 3f, 0.5f, 0.5f)]
    [InlineData(16f, 1f, 0.5f, 0.25f)]
    [InlineData(16f, float.PositiveInfinity, 0.5f, 0.5f)]
    [InlineData(float.PositiveInfinity, 1f, 1f, float.NaN)]
    [InlineData(float.NaN, float.PositiveInfinity, 1f, float.NaN)]
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
        var error = Assert.Throws<ArgumentException>(() => GradientNorm.SquaredSum());
        Assert.Equal("A gradient norm needs at least one tensor. (Parameter 'gradients')", error.Message);
    }
}
