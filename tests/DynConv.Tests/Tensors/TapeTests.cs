using DynConv.Ops;

namespace DynConv.Tests.Tensors;

public sealed class TapeTests
{
    [Fact]
    public void Targets_of_two_slices_of_one_tensor_may_be_open_at_once()
    {
        using var scope = new TensorScope();
        using var tape = new Tape();
        Tensor whole = Tensor.From([1f, 2f, 3f, 4f], [4]).RequireGradient();
        Tensor left = whole.Slice(0, 0, 2);
        Tensor right = whole.Slice(0, 2, 2);
        Tensor y = Tape.Record("pair", Tensor.Zeros([2]), [left, right], [], static g =>
        {
            GradientTarget first = g.Target(0);
            GradientTarget second = g.Target(1);
            Assert.False(first.Accumulate);
            Assert.False(second.Accumulate);
            first.Tensor.CopyFrom(g.Gradient(0)!);
            second.Tensor.CopyFrom(g.Gradient(0)!);
        });
        tape.Backward(y, Tensor.From([5f, 6f], [2]));
        Assert.Equal([5f, 6f, 5f, 6f], whole.Gradient!.ToArray<float>());
        whole.ClearGradient();
    }

    [Fact]
    public void What_no_slice_has_written_counts_as_zero()
    {
        using var scope = new TensorScope();
        using var tape = new Tape();
        Tensor whole = Tensor.From([1f, 2f, 3f, 4f, 5f], [5]).RequireGradient();
        Tensor y = Elementwise.Add(whole.Slice(0, 1, 2), whole.Slice(0, 2, 2));
        tape.Backward(y, Tensor.From([1f, 10f], [2]));
        Assert.Equal([0f, 1f, 11f, 10f, 0f], whole.Gradient!.ToArray<float>());
        whole.ClearGradient();
    }

    [Fact]
    public void A_tensor_used_directly_and_in_slices_gets_the_sum()
    {
        using var scope = new TensorScope();
        using var tape = new Tape();
        Tensor x = Tensor.From([1f, 2f, 3f, 4f], [2, 2]).RequireGradient();
        Tensor row = x.Slice(0, 1, 1);
        Tensor column = x.Slice(1, 0, 1);
        tape.Backward(
            (x, Tensor.From([1f, 1f, 1f, 1f], [2, 2])),
            (row, Tensor.From([10f, 20f], [1, 2])),
            (column, Tensor.From([100f, 200f], [2, 1])));
        Assert.Equal([101f, 1f, 211f, 21f], x.Gradient!.ToArray<float>());
        x.ClearGradient();
    }

    [Fact]
    public void Views_of_views_find_their_place()
    {
        using var scope = new TensorScope();
        using var tape = new Tape();
        Tensor x = Tensor.From(new float[24], [2, 12]).RequireGradient();
        Tensor y = x.Slice(1, 3, 6).Reshape(2, 2, 3).Slice(2, 1, 2).Transpose(1, 2);
        float[] ones = [.. Enumerable.Repeat(1f, 8)];
        tape.Backward(Elementwise.Add(y, y), Tensor.From(ones, [2, 2, 2]));
        Assert.Equal(
            [0, 0, 0, 0, 2, 2, 0, 2, 2, 0, 0, 0, 0, 0, 0, 0, 2, 2, 0, 2, 2, 0, 0, 0],
            x.Gradient!.ToArray<float>());
        x.ClearGradient();
    }

    [Fact]
    public void The_callers_gradient_is_not_changed_by_sums_over_it()
    {
        using var scope = new TensorScope();
        using var tape = new Tape();
        Tensor x = Tensor.From([1f, 2f], [2]).RequireGradient();
        Tensor upstream = Tensor.From([1f, 1f], [2]);
        Tensor y = Elementwise.Add(x, x);
        tape.Backward(y, upstream);
        Assert.Equal([2f, 2f], x.Gradient!.ToArray<float>());
        Assert.Equal([1f, 1f], upstream.ToArray<float>());
        x.ClearGradient();
    }

    [Fact]
    public void A_tape_that_is_never_run_gives_everything_back()
    {
        long before = Device.Cpu.Memory.LiveBuffers;
        using (new TensorScope())
        {
            using var tape = new Tape();
            Tensor x = Tensor.From([1f, 2f], [2]).RequireGradient();
            Elementwise.Add(Elementwise.Add(x, x), x);
        }

        Assert.Equal(before, Device.Cpu.Memory.LiveBuffers);
    }

    [Fact]
    public void A_result_that_nothing_led_to_is_refused()
    {
        using var scope = new TensorScope();
        using var tape = new Tape();
        var error = Assert.Throws<TensorException>(() => tape.Backward(Tensor.Zeros([1])));
        Assert.Contains("no recorded op led to this result", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_first_op_that_goes_wrong_is_named()
    {
        using var scope = new TensorScope();
        using IDisposable check = FiniteCheck.Start();
        Tensor x = Tensor.From([float.MaxValue], [1]);
        using FiniteCheck.PlaceGuard place = FiniteCheck.Enter("model.layers.3.mlp");
        var error = Assert.Throws<NonFiniteException>(() => Elementwise.Add(x, x));
        Assert.Equal("add in model.layers.3.mlp produced a non-finite value.", error.Message);
    }
}
