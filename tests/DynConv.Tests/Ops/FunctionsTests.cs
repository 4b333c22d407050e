using DynConv.Ops;

namespace DynConv.Tests.Ops;

public sealed class FunctionsTests : OpTests<FunctionsTests>, IOpCases
{
    private static readonly Shape[] Shapes = [[], [3, 7], [0, 4], [2, 40]];

    public static IEnumerable<OpCase> Cases => Functions.Descriptions.SelectMany(op => (op.Name == "gelu" ? [.. Shapes, [33001]] : (Shape[])[[3, 43]]).Select(shape =>
        OpCase.Of($"{op.Name} {shape}", op, [shape], x => [[.. x[0].Select(Reference(op.Name))]])
            .With("x", x => x with { Draw = Draw(op.Name) })));

    [Theory]
    [InlineData("cpu")]
    [InlineData("cuda")]
    public void Ends_of_the_range_are_what_they_should_be(string name)
    {
        Assert.SkipUnless(name == "cpu" || TestDevices.Names.Contains("cuda"), "There is no card here, nor a compiler to emulate one.");
        using var scope = new TensorScope();
        Tensor x = Tensor.From([0f, -1e4f, 1e4f, float.NaN], [4], TestDevices.Get(name));
        Assert.Equal([0f, 0f, 1e4f, float.NaN], Functions.Silu(x).ToArray<float>(), (a, b) => a.Equals(b) || Math.Abs(a - b) < 1e-30f);
        Assert.Equal([0f, 0f, 1e4f, float.NaN], Functions.Gelu(x).ToArray<float>(), (a, b) => a.Equals(b) || Math.Abs(a - b) < 1e-2f);
        Assert.Equal([0f, -1f, 1f, float.NaN], Functions.Tanh(x).ToArray<float>());
        Assert.Equal([0.5f, 0f, 1f, float.NaN], Functions.Sigmoid(x).ToArray<float>(), (a, b) => a.Equals(b) || Math.Abs(a - b) < 1e-30f);
        Assert.Equal([float.NegativeInfinity, float.NaN], Functions.Log(x[..2]).ToArray<float>());
        Assert.Equal([0f, float.NaN], Functions.Sqrt(x[..2]).ToArray<float>());
        Assert.Equal([0f, 0f, 1e4f, float.NaN], Functions.Relu(x).ToArray<float>());
        Assert.Equal([1f, 0f, float.PositiveInfinity, float.NaN], Functions.Exp(x).ToArray<float>(), (a, b) => a.Equals(b) || Math.Abs(a - b) < 1e-30f);
        Assert.Equal([0.6931472f, 0f, 1e4f, float.NaN], Functions.Softplus(x).ToArray<float>(), (a, b) => a.Equals(b) || Math.Abs(a - b) < 1e-7f);

        // A step size of 1e-6, as a logarithm of one and a little would lose it.
        Assert.InRange(Functions.Softplus(Tensor.From([-13.815511f], [1], x.Device)).Item(), 0.9999985e-6f, 1.0000010e-6f);
        Assert.InRange(Functions.Exp(Tensor.From([88.6f], [1], x.Device)).Item(), 3.00e38f, 3.02e38f);
    }

    private static Func<Random, double>? Draw(string op) => op switch
    {
        "log" or "sqrt" => static random => 0.5 + (4 * random.NextDouble()),
        "relu" => static random => (random.Next(2) == 0 ? -1 : 1) * (0.1 + random.NextDouble()),
        _ => null,
    };

    private static Func<double, double> Reference(string op) => op switch
    {
        "exp" => Math.Exp,
        "log" => Math.Log,
        "sqrt" => Math.Sqrt,
        "tanh" => Math.Tanh,
        "sigmoid" => x => 1 / (1 + Math.Exp(-x)),
        "relu" => x => Math.Max(x, 0),
        "softplus" => x => Math.Max(x, 0) + Math.Log(1 + Math.Exp(-Math.Abs(x))),
        "silu" => x => x / (1 + Math.Exp(-x)),
        "gelu" => x => x * NormalProbability(x),
        _ => throw new ArgumentOutOfRangeException(nameof(op), op, "No reference."),
    };

    // The integral of the density from 0 to x, by its power series.
    private static double NormalProbability(double x)
    {
        double term = x;
        double sum = x;
        for (int n = 1; n < 200; n++)
        {
            term *= -x * x / (2 * n);
            sum += term / ((2 * n) + 1);
        }

        return 0.5 + (sum / Math.Sqrt(2 * Math.PI));
    }
}
