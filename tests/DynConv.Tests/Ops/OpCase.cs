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
/// <param name="Inputs">What the op is called with; null inputs are simply not listed.</param>
/// <param name="Run">Calls the op and returns its results.</param>
/// <param name="Reference">The same results from float64 inputs, each flattened, computed as plainly as possible.</param>
public sealed record OpCase(
    string Name,
    OpInput[] Inputs,
    Func<Tensor[], Tensor[]> Run,
    Func<double[][], double[][]> Reference)
{
    /// <summary>
    /// Largest error allowed, as a share of the largest reference value: float32 rounds to 6e-8, and a sum of n terms
    /// loses about sqrt(n) of that, so 1e-5 leaves room for tens of thousands of terms and for nothing else.
    /// </summary>
    public double Tolerance { get; init; } = 1e-5;

    /// <summary>
    /// The same for bfloat16, which rounds to 2e-3 once at the end of an op, and where a kernel multiplies matrices also
    /// its inner factors.
    /// </summary>
    public double BFloat16Tolerance { get; init; } = 1e-2;

    public override string ToString() => Name;
}

/// <summary>Supplies the cases of one op.</summary>
public interface IOpCases
{
    static abstract IEnumerable<OpCase> Cases { get; }
}
