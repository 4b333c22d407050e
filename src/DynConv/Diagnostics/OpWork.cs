using DynConv.Ops;

namespace DynConv.Diagnostics;

/// <summary>A call of an op that a benchmark times.</summary>
/// <param name="Op">The op.</param>
/// <param name="Sizes">Sizes of its letters.</param>
/// <param name="DType">Element type of what is not a parameter.</param>
/// <param name="ParameterType">Element type of parameters.</param>
internal sealed record OpWorkload(OpDescription Op, OpSizes Sizes, DType DType, DType ParameterType)
{
    /// <summary>Those of the optional inputs that are given.</summary>
    public IReadOnlyList<string> Optional { get; init; } = [];

    public IReadOnlyDictionary<string, string> Settings { get; init; } = new Dictionary<string, string> { ["dtype"] = DType.Name() };

    /// <summary>Whether the first input is the middle third of the columns of a wider tensor, as of one fused projection.</summary>
    public bool IsSliced { get; init; }

    public IEnumerable<OpTensor> Inputs => Op.Inputs.Where(input => !input.IsOptional || Optional.Contains(input.Name));

    public PassCosts Bytes => Op.Bytes(Sizes, Inputs, DType, ParameterType);

    public PassCosts Operations => Op.Operations?.Invoke(Sizes) ?? default;

    /// <summary>The results that a call gives where nothing optional is asked for.</summary>
    public IEnumerable<OpTensor> Results => Op.Results.Where(static result => !result.IsOptional);

    /// <summary>Bytes that both passes read: the inputs and the gradients of the results.</summary>
    public long InputBytes => Inputs.Concat(Results).Sum(
        tensor => Sizes.ShapeOf(tensor).Count * tensor.TypeOf(DType, ParameterType).SizeInBytes());
}

/// <summary>
/// One set of inputs of an op, and its passes over them. The result and the gradients of the last pass stay where they are
/// until the next, so that sets taken in turn write to memory of their own.
/// </summary>
internal sealed class OpWork : IDisposable
{
    private readonly OpWorkload _load;
    private readonly List<Tensor> _leaves = [];
    private readonly List<Tensor> _views = [];
    private readonly OpCall _call;
    private readonly Tensor[] _upstream = [];
    private Tensor[] _results = [];
    private Tape? _tape;

    public OpWork(OpWorkload load, NormalValues values, Device device)
    {
        _load = load;
        _call = new OpCall([.. load.Inputs.Select((input, i) => (input.Name, Input(input, load.IsSliced && i == 0)))], load.Settings);
        if (load.Op.HasGradient)
        {
            _upstream = [.. load.Results.Select(result =>
                TensorScope.Release(values.Tensor(load.Sizes.ShapeOf(result), result.TypeOf(load.DType, load.ParameterType), device)))];
        }

        Tensor Input(OpTensor input, bool isSliced)
        {
            Shape shape = load.Sizes.ShapeOf(input);
            DType type = input.TypeOf(load.DType, load.ParameterType);
            Tensor leaf = TensorScope.Release(
                input.IntegersBelow is { } limit ? NormalValues.Integers(shape, load.Sizes[limit], device)
                : input.IsChanged ? Tensor.Zeros(shape, type, device)
                : values.Tensor(isSliced ? shape.With(^1, 3 * shape[^1]) : shape, type, device, input.OfNormal));
            _leaves.Add(leaf);
            if (load.Op.HasGradient && input.IsDifferentiable)
            {
                leaf.RequireGradient();
            }

            if (!isSliced)
            {
                return leaf;
            }

            Tensor slice = TensorScope.Release(leaf.Slice(-1, shape[^1], shape[^1]));
            _views.Add(slice);
            return slice;
        }
    }

    public void Forward()
    {
        Clear();
        Run();
    }

    public void ForwardBackward()
    {
        PrepareBackward();
        Backward();
    }

    /// <summary>The forward pass that <see cref="Backward"/> goes back through.</summary>
    public void PrepareBackward()
    {
        Clear();
        _tape = _load.Op.HasGradient ? new Tape() : null;
        Run();
    }

    public void Backward()
    {
        using Tape? tape = _tape;
        tape?.Backward([.. _results.Zip(_upstream)]);
        _tape = null;
    }

    public void Dispose()
    {
        Clear();
        _call.Dispose();
        Array.ForEach(_upstream, static gradient => gradient.Dispose());
        _views.ForEach(static view => view.Dispose());
        _leaves.ForEach(static leaf => leaf.Dispose());
    }

    private void Run()
    {
        using var scope = new TensorScope();
        _results = [.. _load.Op.Run(_call).Select(TensorScope.Release)];
    }

    private void Clear()
    {
        _tape?.Dispose();
        _tape = null;
        foreach (Tensor result in _results)
        {
            result.Dispose();
        }

        _results = [];
        foreach (Tensor leaf in _leaves.Where(static leaf => leaf.RequiresGradient))
        {
            leaf.ClearGradient();
        }
    }
}
