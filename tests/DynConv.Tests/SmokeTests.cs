using DynConv.Ops;

namespace DynConv.Tests;

public sealed class SmokeTests
{
    [Fact]
    public void Add_sends_its_gradient_to_both_summands()
    {
        using var scope = new TensorScope();
        using var tape = new Tape();
        Tensor a = Tensor.From([1f, 2f], [2]).RequireGradient();
        Tensor b = Tensor.From([3f, 4f], [2]).RequireGradient();
        tape.Backward(Elementwise.Add(a, b), Tensor.From([5f, 6f], [2]));
        Assert.Equal([5f, 6f], a.Gradient!.ToArray<float>());
        Assert.Equal([5f, 6f], b.Gradient!.ToArray<float>());
    }
}
