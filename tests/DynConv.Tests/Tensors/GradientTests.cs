namespace DynConv.Tests.Tensors;

public sealed class GradientTests
{
    [Fact]
    public void A_leaf_that_does_not_lie_as_its_gradient_has_one_all_the_same()
    {
        using var scope = new TensorScope();
        Tensor leaf = Tensor.From([1f, 2f, 3f, 4f, 5f, 6f], [2, 3]).Transpose(0, 1).RequireGradient();
        Tensor repeated = Tensor.Ones([1, 1]).RequireGradient();
        using var tape = new Tape();
        Tensor y = leaf.Transpose(0, 1).Reshape(-1) * Tensor.From([1f, 2f, 3f, 4f, 5f, 6f], [6]);
        Tensor z = repeated.Expand([4, 3]).Transpose(0, 1).Reshape(12) * 2;
        tape.Backward(y.Sum() + z.Sum());
        Assert.Equal([1f, 4f, 2f, 5f, 3f, 6f], leaf.Gradient!.ToArray<float>());
        Assert.Equal(24f, repeated.Gradient!.Item());
    }

    [Fact]
    public void A_gradient_is_its_tensors_alone()
    {
        using var scope = new TensorScope();
        Tensor a = Tensor.Ones([3]).RequireGradient();
        Tensor b = Tensor.Ones([3]).RequireGradient();
        using (var tape = new Tape())
        {
            tape.Backward((a + b).Sum());
        }

        a.Gradient!.AsSpan<float>()[0] = 7;
        Assert.Equal([7f, 1f, 1f], a.Gradient!.ToArray<float>());
        Assert.Equal([1f, 1f, 1f], b.Gradient!.ToArray<float>());
        a.Gradient.Dispose();
        using (var tape = new Tape())
        {
            tape.Backward(a.Sum());
        }

        Assert.Equal([8f, 2f, 2f], a.Gradient.ToArray<float>());
        Assert.Equal([1f, 1f, 1f], b.Gradient!.ToArray<float>());
    }

    [Fact]
    public void What_an_earlier_tape_computed_is_a_constant()
    {
        long before = Device.Cpu.Memory.LiveBuffers;
        using (var scope = new TensorScope())
        {
            Tensor w = Tensor.Ones([3]).RequireGradient();
            Tensor h;
            using (new Tape())
            {
                h = w * 2;
                Assert.True(h.RequiresGradient);
            }

            Assert.False(h.RequiresGradient);
            using var tape = new Tape();
            Assert.Throws<TensorException>(() => tape.Backward(h, h));
            tape.Backward((h * w).Sum());
            Assert.Equal([2f, 2f, 2f], w.Gradient!.ToArray<float>());

            h.RequireGradient();
            using var next = new Tape();
            next.Backward((h * 3).Sum());
            Assert.Equal([3f, 3f, 3f], h.Gradient!.ToArray<float>());
        }

        Assert.Equal(before, Device.Cpu.Memory.LiveBuffers);
    }

    [Fact]
    public void Places_beyond_all_numbers_are_refused()
    {
        using var scope = new TensorScope();
        Tensor x = Tensor.Zeros([2, 3]);
        Assert.Throws<TensorException>(() => x[long.MaxValue]);
        Assert.Throws<TensorException>(() => x.Slice(0, 1, long.MaxValue));
        Assert.Throws<TensorException>(() => x.Expand([]));
    }

    [Fact]
    public void A_copy_from_the_same_elements_is_that_of_what_they_were()
    {
        using var scope = new TensorScope();
        Tensor x = Tensor.From([1f, 2f, 3f, 4f], [2, 2]);
        x.CopyFrom(x.Transpose(0, 1));
        Assert.Equal([1f, 3f, 2f, 4f], x.ToArray<float>());
        Assert.Throws<TensorException>(() => Tensor.Zeros([1]).Expand([3]).CopyFrom(Tensor.Zeros([3])));
        Tensor sum = Tensor.Ones([1, 3]);
        Tensor along = sum.Sum(0);
        sum.Fill(0);
        Assert.Equal([1f, 1f, 1f], along.ToArray<float>());
    }

    [Fact]
    public void A_pause_that_ends_in_another_thread_is_noticed()
    {
        using var tape = new Tape();
        IDisposable pause = Tape.Pause();
        Exception? failure = null;
        var thread = new Thread(() => failure = Record.Exception(pause.Dispose));
        thread.Start();
        thread.Join();
        Assert.IsType<InvalidOperationException>(failure);
    }
}
