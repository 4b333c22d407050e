using DynConv.Modules;
using DynConv.Ops;
using DynConv.Optimizers;

namespace DynConv.Tests.Optimizers;

/// <summary>A regression with parameters of every kind: <c>[N, 6]</c> to <c>[N, 5]</c>, with some of a wider weight's rows.</summary>
internal sealed class TwoLayers : Module
{
    private readonly Tensor _wide;
    private readonly Parameter _scale;
    private readonly Parameter _first;
    private readonly Parameter _second;
    private readonly Parameter _output;

    public TwoLayers(Device device)
    {
        using var scope = new TensorScope();
        var random = new RandomSource(7);
        _wide = TensorScope.Release(random.Fork("wide").Normal([13, 6], 0.3, device)).RequireGradient();
        _scale = Add("norm.weight", new Parameter(Tensor.From([1f, 1, 1, 1, 1, 1], [6], device), ParameterKind.Norm));
        _first = Add("first.weight", new Parameter(_wide.Slice(0, 0, 8), ParameterKind.Matrix));
        _second = Add("second.weight", new Parameter(_wide.Slice(0, 8, 5), ParameterKind.Matrix));
        _output = Add("output.weight", new Parameter(random.Fork("output").Normal([5, 8], 0.3, device), ParameterKind.Embedding));
    }

    /// <summary>The mean of the squares of what rows of numbers lack of rows that follow from them.</summary>
    public Tensor Loss(int first, int rows, float factor = 1) => Elementwise.Scale(Loss(Draw(first, rows)), factor);

    /// <summary>The rows, and those that are wanted.</summary>
    public Tensor[] Draw(int first, int rows)
    {
        Device device = _wide.Device;
        float[] inputs = [.. Enumerable.Range(first * 6, rows * 6).Select(i => MathF.Sin(i * i))];
        float[] wanted = [.. Enumerable.Range(first * 5, rows * 5).Select(i => -MathF.Cos(i / 5 * i))];
        return [Tensor.From(inputs, [rows, 6], device), Tensor.From(wanted, [rows, 5], device)];
    }

    /// <summary>The loss of what was drawn.</summary>
    public Tensor Loss(Tensor[] drawn)
    {
        Tensor x = RmsNormalization.Apply(drawn[0], _scale, 1e-6f);
        Tensor y = Elementwise.Add(MatMul.Linear(MatMul.Linear(x, _first), _output), MatMul.Linear(x, _second));
        Tensor lack = Elementwise.Add(y, drawn[1]);
        return Reduction.Mean(Elementwise.Multiply(lack, lack));
    }

    /// <summary>The same for a trainer.</summary>
    public MicroBatchLoss ReportedLoss(Tensor[] drawn) => Loss(drawn);

    public Dictionary<string, float[]> Values() =>
        NamedParameters().ToDictionary(pair => pair.Key, pair => pair.Value.Tensor.ToArray<float>());

    /// <summary>Takes the values of another one over.</summary>
    public void CopyFrom(TwoLayers other)
    {
        foreach ((KeyValuePair<string, Parameter> to, KeyValuePair<string, Parameter> from) in NamedParameters().Zip(other.NamedParameters()))
        {
            to.Value.Tensor.Detach().CopyFrom(from.Value.Tensor.Detach());
        }
    }

    public void Fill(string name, float value)
    {
        using var scope = new TensorScope();
        Tensor tensor = NamedParameters().Single(pair => pair.Key == name).Value.Tensor.Detach();
        tensor.CopyFrom(Tensor.From(Enumerable.Repeat(value, (int)tensor.Count).ToArray(), tensor.Shape));
    }

    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        _wide.Dispose();
    }
}
