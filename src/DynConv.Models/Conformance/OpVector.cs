using System.Globalization;
using DynConv.Ops;
using DynConv.Serialization;

namespace DynConv.Models.Conformance;

/// <summary>A file with the inputs, results and gradients of one op.</summary>
internal sealed class OpVector : IDisposable
{
    private const double Limit = 1e-5;

    // In bfloat16 the inputs are rounded too, to 8 bits.
    private const double BFloat16Limit = 2e-2;

    private static readonly Dictionary<string, Func<OpVector, (Tensor Y, Tensor? FinalState)>> Ops = new()
    {
        ["static"] = v => v.WithState(
            o => (StaticConvolution.Apply(v["x"], v["static_w"], o), null),
            o => StaticConvolution.ApplyWithState(v["x"], v["static_w"], o)),
        ["headwise"] = v => v.WithState(
            o => (HeadWiseConvolution.Apply(v["x"], v["weight"], v.Find("static_w"), o), null),
            o => HeadWiseConvolution.ApplyWithState(v["x"], v["weight"], v.Find("static_w"), o)),
        ["lowrank"] = v => v.WithState(
            o => (LowRankConvolution.Apply(v["x"], v["z"], v["u"], v.Find("static_w"), o), null),
            o => LowRankConvolution.ApplyWithState(v["x"], v["z"], v["u"], v.Find("static_w"), o)),
        ["attention"] = v => (Attention.Causal(v["q"], v["k"], v["v"]), null),
        ["rope"] = v => (v.Rope(), null),
        ["rms_norm"] = v => (RmsNorm.Apply(v["x"], v["weight"], (float)v.Number("eps")), null),
        ["swiglu"] = v => (SwiGlu.Apply(v["gate"], v["up"]), null),
        ["cross_entropy"] = v => (CrossEntropy.Mean(v["logits"], v["targets"], (int)v.Number("ignore_index")), null),
    };

    private readonly SafetensorsReader _reader;
    private readonly DType _dtype;
    private readonly Dictionary<string, Tensor> _inputs = [];
    private PackedSequences? _packed;

    private OpVector(SafetensorsReader reader, Device device, DType dtype)
    {
        _reader = reader;
        _dtype = dtype;
        foreach (string name in reader.Entries.Keys.Where(name => name.StartsWith("in.", StringComparison.Ordinal)))
        {
            Tensor tensor = reader.Read(name, device);
            _inputs[name[3..]] = tensor.DType == DType.Float32 ? tensor.To(dtype).RequireGradient() : tensor;
        }
    }

    private Tensor this[string name] =>
        Find(name) ?? throw new DynConvException($"{_reader.FilePath}: there is no tensor in.{name}.");

    public static ConformanceResult Run(string path, Device device, DType dtype)
    {
        string name = Path.GetFileNameWithoutExtension(path);
        using var scope = new TensorScope();
        using var reader = new SafetensorsReader(path);
        if (!reader.Metadata.TryGetValue("op", out string? op))
        {
            return ConformanceResult.Skipped(name, "the file does not say which op it is of");
        }

        if (!Ops.TryGetValue(op, out Func<OpVector, (Tensor Y, Tensor? FinalState)>? run))
        {
            return ConformanceResult.Skipped(name, $"{op} is not implemented");
        }

        using var vector = new OpVector(reader, device, dtype);
        return vector.Compare(name, run);
    }

    public void Dispose() => _packed?.Dispose();

    private ConformanceResult Compare(string name, Func<OpVector, (Tensor Y, Tensor? FinalState)> run)
    {
        var comparison = new Comparison(name);
        double limit = _dtype == DType.BFloat16 ? BFloat16Limit : Limit;
        using var tape = new Tape();
        (Tensor y, Tensor? finalState) = run(this);
        comparison.Check(_reader, "out.y", y, limit);
        if (_reader.Contains("out.final_state"))
        {
            comparison.Check(_reader, "out.final_state", finalState, limit);
        }

        tape.Backward(y, _reader.Read("grad_out.y", y.Device).To(y.DType));
        foreach ((string input, Tensor tensor) in _inputs.Where(pair => pair.Value.RequiresGradient))
        {
            comparison.Check(_reader, $"grad.{input}", tensor.Gradient, limit);
            tensor.ClearGradient();
        }

        return comparison.Result;
    }

    private Tensor? Find(string name) => _inputs.GetValueOrDefault(name);

    private double Number(string key) => _reader.Metadata.TryGetValue(key, out string? text)
        && double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number)
        ? number
        : throw new DynConvException($"{_reader.FilePath}: the metadata has no number {key}.");

    private Tensor Rope()
    {
        Tensor x = this["x"];
        using var table = new RopeTable(Number("theta"), (int)x.Shape[^1], x.Shape[1], x.Device);
        return DynConv.Ops.Rope.Apply(x, table);
    }

    private (Tensor Y, Tensor? FinalState) WithState(
        Func<ShortConvolutionOptions, (Tensor Y, Tensor? FinalState)> apply,
        Func<ShortConvolutionOptions, (Tensor Y, Tensor FinalState)> applyWithState)
    {
        _packed = Find("cu_seqlens") is { } bounds
            ? new PackedSequences([.. bounds.ToArray<int>().Select(bound => (long)bound)])
            : null;
        var options = new ShortConvolutionOptions
        {
            Residual = _reader.Metadata.GetValueOrDefault("residual") == "true",
            InitialState = Find("initial_state"),
            Packed = _packed,
        };
        return options.InitialState is null ? apply(options) : applyWithState(options);
    }
}
