using DynConv.Ops;

namespace DynConv.Modules;

/// <summary>A learned row for each of so many ids: <see cref="EmbeddingLookup"/>.</summary>
public sealed class Embedding : Module
{
    private readonly CastWeight _weight;

    /// <summary>Makes the table of normal numbers.</summary>
    /// <param name="count">V, the number of ids.</param>
    /// <param name="size">D, channels of a row.</param>
    /// <param name="random">Where the initial values come from.</param>
    /// <param name="standardDeviation">Of the initial values; 0.02 is what Llama-style models start from.</param>
    /// <param name="device">Where the parameter lives; the CPU if not given.</param>
    public Embedding(int count, int size, RandomSource random, double standardDeviation = 0.02, Device? device = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(size, 1);
        ArgumentNullException.ThrowIfNull(random);
        Weight = Add("weight", new Parameter(random.Fork("weight").Normal([count, size], standardDeviation, device), ParameterKind.Embedding));
        _weight = new CastWeight(Weight);
    }

    /// <summary>The table, <c>[V, D]</c>; <c>weight</c>.</summary>
    public Parameter Weight { get; }

    /// <summary>Looks rows up.</summary>
    /// <param name="ids">int32, any shape, each in <c>[0, V)</c>.</param>
    /// <param name="dtype">Of the result: float32, or bfloat16 on CUDA.</param>
    /// <returns>The shape of <paramref name="ids"/> with D added.</returns>
    /// <exception cref="TensorException">An id lies outside of the table (on the CPU), or a dtype does not fit.</exception>
    public Tensor Forward(Tensor ids, DType dtype = DType.Float32)
    {
        using var scope = new TensorScope();
        return scope.Keep(EmbeddingLookup.Apply(_weight.As(dtype), ids, dtype));
    }

    /// <summary>Scores of all ids: the table as an output layer that shares its weight with the input.</summary>
    /// <param name="hidden"><c>[..., D]</c>.</param>
    /// <returns><c>[..., V]</c>, each the product of a row with the hidden state.</returns>
    /// <exception cref="TensorException">The shape or dtype does not fit.</exception>
    public Tensor Scores(Tensor hidden)
    {
        ArgumentNullException.ThrowIfNull(hidden);
        using var scope = new TensorScope();
        return scope.Keep(MatMul.Linear(hidden, _weight.As(hidden.DType)));
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        _weight.Dispose();
    }
}
