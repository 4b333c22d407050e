using DynConv.Modules;
using DynConv.Ops;

namespace DynConv.Tests.Tensors;

/// <summary>Who gives memory back, and what says so where nobody would.</summary>
public sealed class LifetimeTests
{
    [Fact]
    public void A_gradient_goes_with_its_tensor()
    {
        Step(); // what is made once
        long before = Device.Cpu.Memory.LiveBytes;
        for (int i = 0; i < 10; i++)
        {
            Step();
        }

        Assert.Equal(before, Device.Cpu.Memory.LiveBytes);

        // As the README has it.
        static void Step()
        {
            using var scope = new TensorScope();
            using var convolution = new LowRankShortConvolution(channels: 32, inputs: 32, width: 4, rank: 4, new RandomSource(0));
            Tensor u = new RandomSource(1).Normal([2, 8, 32], 1);
            Tensor x = new RandomSource(2).Normal([2, 8, 32], 1).RequireGradient();
            using var tape = new Tape();
            Tensor y = convolution.Forward(x, u);
            tape.Backward(y, Tensor.Zeros(y.Shape));
            Assert.NotNull(x.Gradient);
        }
    }

    [Fact]
    public void A_gradient_stays_while_a_view_of_its_tensor_does()
    {
        using var scope = new TensorScope();
        Tensor x = Tensor.From([1f, 2f, 3f], [3]).RequireGradient();
        Tensor view = x.Slice(0, 1, 2);
        using (var tape = new Tape())
        {
            Tensor y = Elementwise.Scale(x, 2);
            tape.Backward(y, Tensor.From([1f, 1f, 1f], [3]));
        }

        x.Dispose();
        x.Dispose();
        Assert.Equal([2f, 2f], view.Gradient!.ToArray<float>());
    }

    [Fact]
    public void Nothing_is_summed_for_a_tensor_that_is_gone()
    {
        long before = Device.Cpu.Memory.LiveBytes;
        using (var scope = new TensorScope())
        {
            using var tape = new Tape();
            Tensor x = Tensor.From([1f, 2f], [2]).RequireGradient();
            Tensor w = Tensor.From([3f, 4f], [2]).RequireGradient();
            Tensor y = Elementwise.Multiply(x, w);
            x.Dispose();
            tape.Backward(y, Tensor.From([1f, 1f], [2]));
            Assert.Equal([1f, 2f], w.Gradient!.ToArray<float>());
            Assert.Null(x.Gradient);
        }

        Assert.Equal(before, Device.Cpu.Memory.LiveBytes);
    }

    [Fact]
    public void A_second_backward_pass_is_refused()
    {
        using var scope = new TensorScope();
        using var tape = new Tape();
        Tensor x = Tensor.From([1f], [1]).RequireGradient();
        Tensor y = Elementwise.Scale(x, 2);
        tape.Backward(y);
        Assert.Contains("serves one backward pass", Assert.Throws<InvalidOperationException>(() => tape.Backward(y)).Message, StringComparison.Ordinal);
        Assert.Equal(2, x.Gradient!.Item());
    }

    [Fact]
    public void A_scope_that_ends_in_another_thread_says_so_and_gives_back_what_it_has()
    {
        var scope = new TensorScope();
        Tensor inside = Tensor.Zeros([4]);
        Exception? failure = null;
        var thread = new Thread(() => failure = Record.Exception(scope.Dispose));
        thread.Start();
        thread.Join();
        Assert.Contains("close scopes before an await", Assert.IsType<InvalidOperationException>(failure).Message, StringComparison.Ordinal);
        Assert.True(inside.IsDisposed);

        // The thread that opened it goes on as without it.
        using (new TensorScope())
        {
            Assert.False(Tensor.Zeros([4]).IsDisposed);
        }

        using Tensor own = Tensor.Zeros([4]);
        scope.Dispose();
        Assert.False(own.IsDisposed);
    }

    [Fact]
    public void Scopes_end_in_the_reverse_order()
    {
        var outer = new TensorScope();
        var inner = new TensorScope();
        Tensor made = Tensor.Zeros([2]);
        Assert.Contains("dispose the inner one first", Assert.Throws<InvalidOperationException>(outer.Dispose).Message, StringComparison.Ordinal);
        Assert.False(made.IsDisposed);
        inner.Keep(made);
        inner.Dispose();
        Assert.False(made.IsDisposed); // kept, and there is no outer scope any more that would take it
        made.Dispose();
    }

    [Fact]
    public void An_output_has_memory_of_its_own()
    {
        using var scope = new TensorScope();
        Tensor wide = new RandomSource(3).Normal([2, 8, 48], 1);
        Tensor x = wide.Slice(2, 0, 16);
        Tensor weight = new RandomSource(4).Normal([4, 16], 1);
        Tensor beside = wide.Slice(2, 16, 16);
        float[] expected = StaticConvolution.Apply(x.Contiguous(), weight).ToArray<float>();
        Assert.Equal(expected, StaticConvolution.Apply(x, weight, new ShortConvolutionOptions { Output = beside }).ToArray<float>());
        foreach (Tensor output in (Tensor[])[x, wide.Slice(2, 8, 16), x.Detach()])
        {
            Assert.Contains("shares elements with x", Refused(output), StringComparison.Ordinal);
        }

        Assert.Contains("one element stands for several", Refused(Tensor.Zeros([1, 1, 16]).Expand(Shape.Create([2, 8, 16]))), StringComparison.Ordinal);
        Tensor z = new RandomSource(5).Normal([2, 8, 16], 1);
        Tensor u = new RandomSource(6).Normal([16, 4 * 16], 1);
        Assert.Contains(
            "shares elements with z",
            Assert.Throws<TensorException>(() => LowRankConvolution.Apply(x, z, u, null, new ShortConvolutionOptions { Output = z })).Message,
            StringComparison.Ordinal);

        string Refused(Tensor output) =>
            Assert.Throws<TensorException>(() => StaticConvolution.Apply(x, weight, new ShortConvolutionOptions { Output = output })).Message;
    }
}
