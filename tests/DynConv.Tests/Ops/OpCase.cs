using DynConv.Ops;

namespace DynConv.Tests.Ops;

/// <summary>One input of an <see cref="OpCase"/>.</summary>
/// <param name="Name">As in the op's formula.</param>
/// <param name="Shape">Dimensions.</param>
public sealed record OpInput(string Name, Shape Shape)
{
    /// <summary>Draws one element; standard normal if not given.</summary>
    public Func<Random, double>? Draw { get; init; }

    /// <summary>Fixed whole numbers instead of drawn ones: token ids, targets, sequence bounds. They have no gradient.</summary>
    public int[]? Integers { get; init; }

    /// <summary>Whether this is a parameter, which may hold float32 where activations hold bfloat16.</summary>
    public bool IsParameter { get; init; }

    /// <summary>Whether this is float32 in any case.</summary>
    public bool IsFloat32 { get; init; }

    public bool IsDifferentiable => Integers is null;

    public double[] Values(Random random, DType type)
    {
        if (Integers is not null)
        {
            return [.. Integers.Select(value => (double)value)];
        }

        var values = new double[Shape.Count];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = Round(Draw?.Invoke(random) ?? Normal(random), type);
        }

        return values;
    }

    /// <summary>As the op will see it, so that op and reference start from the same numbers.</summary>
    public static double Round(double value, DType type) =>
        type == DType.BFloat16 ? (float)(BFloat16)(float)value : (float)value;

    public static double Normal(Random random) =>
        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
}

/// <summary>
/// One way to call an op, with a naive float64 reference: all that <see cref="OpTests{TCases}"/> needs to check results,
/// gradients, strides, thread counts and memory on every device.
/// </summary>
/// <param name="Name">Shown in the test's name; unique within the op.</param>
/// <param name="Op">The op: its tolerances, and how it is called unless <see cref="Run"/> says otherwise.</param>
/// <param name="Inputs">What the op is called with; null inputs are simply not listed.</param>
/// <param name="Reference">The same results from float64 inputs, each flattened, computed as plainly as possible.</param>
public sealed record OpCase(string Name, OpDescription Op, OpInput[] Inputs, Func<double[][], double[][]> Reference)
{
    /// <summary>Calls the op and returns its results.</summary>
    public Func<OpCall, Tensor[]> Run { get; init; } = Op.Run;

    /// <summary>The op's settings.</summary>
    public IReadOnlyDictionary<string, string> Settings { get; init; } = new Dictionary<string, string>();

    /// <summary>The op called as it is described, with its inputs' names and kinds.</summary>
    /// <param name="name">Shown in the test's name.</param>
    /// <param name="op">The op.</param>
    /// <param name="shapes">Those of its inputs, in order; null where an optional one is not given.</param>
    /// <param name="reference">The results in float64.</param>
    public static OpCase Of(string name, OpDescription op, Shape?[] shapes, Func<double[][], double[][]> reference) => new(
        name,
        op,
        [
            .. op.Inputs.Zip(shapes).Where(pair => pair.Second is not null).Select(pair => new OpInput(pair.First.Name, pair.Second!.Value)
            {
                IsParameter = pair.First.IsParameter,
                IsFloat32 = pair.First.IsFloat32,
            }),
        ],
        reference);

    /// <summary>The same with an input changed, for example with other numbers drawn.</summary>
    public OpCase With(string input, Func<OpInput, OpInput> change) =>
        this with { Inputs = [.. Inputs.Select(one => one.Name == input ? change(one) : one)] };

    public override string ToString() => Name;
}

/// <summary>Supplies the cases of one op.</summary>
public interface IOpCases
{
    static abstract IEnumerable<OpCase> Cases { get; }
}
