using DynConv.Diagnostics;
using DynConv.Models.HuggingFace;
using DynConv.Models.Layers;
using DynConv.Modules;
using DynConv.Ops;
using DynConv.Serialization;

namespace DynConv.Models.Conformance;

/// <summary>
/// A conformance vector of a single sequence mixer: <c>in.x</c>, the weights under the names of the implementation that made it
/// (<c>weight.NAME</c>), <c>out.y</c>, its gradient and those of all else; its metadata names the layer, and its tensors' shapes say what
/// the mixer's settings are.
/// </summary>
internal static class LayerVector
{
    private const string LayerKey = "layer";
    private const string DeltaPrefix = "gated_deltanet_";
    private const string NegativeName = DeltaPrefix + "negative_eigenvalues";
    private const string PositiveName = DeltaPrefix + "positive_eigenvalues";
    private const string InterleavedName = DeltaPrefix + "qwen3_next";
    private const string MambaName = "mamba2";

    // What shapes do not say: the vectors of Gated DeltaNet have as many key heads, that of Mamba-2 so much state a group.
    private const int KeyHeads = 2;
    private const int MambaGroups = 2;

    /// <summary>Whether a file is such a vector.</summary>
    public static bool IsOne(string path)
    {
        using var reader = new SafetensorsReader(path);
        return reader.Metadata.ContainsKey(LayerKey);
    }

    /// <summary>Runs the layer on the file's input and compares its result and all gradients.</summary>
    /// <param name="path">The file.</param>
    /// <param name="device">Where to compute.</param>
    /// <param name="dtype">What in.</param>
    public static ConformanceResult Run(string path, Device device, DType dtype)
    {
        string name = Path.GetFileNameWithoutExtension(path);
        using var reader = new SafetensorsReader(path);
        string layer = reader.Metadata[LayerKey];
        if (layer is not (NegativeName or PositiveName or InterleavedName or MambaName))
        {
            return ConformanceResult.Skipped(name, $"{layer} is not implemented");
        }

        try
        {
            return Compare(name, layer, reader, device, dtype);
        }
        catch (Exception exception) when (exception is DynConvException or ArgumentException)
        {
            throw new DynConvException($"{path}: {exception.Message}", exception);
        }
    }

    private static ConformanceResult Compare(string name, string layer, SafetensorsReader reader, Device device, DType dtype)
    {
        var comparison = new Comparison(name, reader);
        using var own = new OneLayer(layer, reader, device, dtype);
        Dictionary<string, HostTensor> got = own.Execute(dtype);
        if (dtype == DType.Float32)
        {
            comparison.Float32(got, ModelVector.Float32Limit);
            return comparison.Result;
        }

        using var exact = new OneLayer(layer, reader, Device.Cpu, DType.Float32);
        Dictionary<string, HostTensor> wanted = exact.Execute(DType.Float32);
        ModelVector.RoundLike(own.Mixer, exact.Mixer);
        using IDisposable rounding = BFloat16Rounding.Start();
        comparison.BFloat16(wanted, exact.Execute(dtype), got, ModelVector.Float32Limit, ModelVector.BFloat16Limit);
        return comparison.Result;
    }

    private static GatedDeltaNetConfiguration Delta(SafetensorsReader reader, bool isInterleaved, bool negative)
    {
        int valueHeads = (int)reader.Entries["weight.A_log"].Shape[0];
        int valueDimension = (int)reader.Entries[isInterleaved ? "weight.norm.weight" : "weight.o_norm.weight"].Shape[0];
        long convolved = reader.Entries["weight.conv1d.weight"].Shape[0];
        return new GatedDeltaNetConfiguration
        {
            Heads = KeyHeads,
            ValueHeads = valueHeads,
            KeyDimension = (int)(convolved - (valueHeads * valueDimension)) / 2 / KeyHeads,
            ValueDimension = valueDimension,
            NegativeEigenvalues = negative,
        };
    }

    private static Mamba2Configuration Mamba(SafetensorsReader reader)
    {
        int heads = (int)reader.Entries["weight.A_log"].Shape[0];
        int inner = (int)reader.Entries["weight.norm.weight"].Shape[0];
        return new Mamba2Configuration
        {
            Heads = heads,
            HeadDimension = inner / heads,
            StateSize = (int)(reader.Entries["weight.conv1d.weight"].Shape[0] - inner) / 2 / MambaGroups,
            Groups = MambaGroups,
        };
    }

    /// <summary>One convolution over queries, keys and values one after the other; all else as flash-linear-attention has it.</summary>
    private static StoredPlace PlaceOfDelta(string parameter) => parameter.EndsWith("_conv.static_weight", StringComparison.Ordinal)
        ? new("conv1d.weight") { IsConvolution = true }
        : new(parameter);

    /// <summary>Qwen3-Next's rows go round the key heads: q, k, v and gate of the first, then of the second.</summary>
    private static StoredPlace PlaceOfInterleaved(string parameter) => parameter switch
    {
        "q_proj.weight" or "k_proj.weight" or "v_proj.weight" or "g_proj.weight" => new("in_proj_qkvz.weight") { Groups = KeyHeads },
        "b_proj.weight" => new("in_proj_ba.weight") { Groups = KeyHeads },
        "a_proj.weight" => new("in_proj_ba.weight", Order: 1) { Groups = KeyHeads },
        "o_norm.weight" => new("norm.weight"),
        "o_proj.weight" => new("out_proj.weight"),
        _ => PlaceOfDelta(parameter),
    };

    private sealed class OneLayer : IDisposable
    {
        private readonly SafetensorsReader _reader;
        private readonly Device _device;
        private readonly RopeTables _ropeTables;
        private readonly Func<string, StoredPlace> _place;

        public OneLayer(string layer, SafetensorsReader reader, Device device, DType dtype)
        {
            (_reader, _device, _ropeTables) = (reader, device, new RopeTables(1, device));
            MixerConfiguration settings = layer == MambaName ? Mamba(reader) : Delta(reader, layer == InterleavedName, layer == NegativeName);
            _place = layer switch
            {
                MambaName => static parameter => Mamba2Format.PlaceOfMixer("", parameter),
                InterleavedName => PlaceOfInterleaved,
                _ => PlaceOfDelta,
            };
            int hidden = (int)reader.Entries["in.x"].Shape[2];
            var model = new ModelConfiguration
            {
                VocabularySize = 1,
                HiddenSize = hidden,
                MaxPositions = 1,
                Layers = [new LayerConfiguration(settings, null)],
                NormEpsilon = 1e-5,
            };
            settings.ValidateAll(hidden);
            Mixer = settings.Create(new ParameterFactory(null, device, dtype, 1, _ropeTables), model);
            foreach (StoredTensor stored in Stored())
            {
                stored.ReadFrom(reader.ReadInto, $"weight.{stored.Name}");
            }
        }

        public Mixer Mixer { get; }

        /// <summary>Result and gradients, by their names in the file.</summary>
        /// <param name="inputType">What the input and the gradient of the result are rounded to before.</param>
        public Dictionary<string, HostTensor> Execute(DType inputType)
        {
            using var scope = new TensorScope();
            DType computes = _device.IsCuda ? inputType : DType.Float32;
            Tensor x = _reader.Read("in.x", _device).To(inputType).To(computes).RequireGradient();
            using var positions = new TokenPositions(new long[x.Shape[0]], x.Shape[1]);
            using var tape = new Tape();
            Tensor y = Mixer.Forward(x, new MixerContext(positions));
            var values = new Dictionary<string, HostTensor> { ["out.y"] = HostTensor.Of(y) };
            tape.Backward(y, _reader.Read("grad_out.y", _device).To(inputType).To(computes));
            values["grad.x"] = HostTensor.OfGradient(x);
            foreach (StoredTensor stored in Stored())
            {
                values[$"grad.{stored.Name}"] = stored.Join(HostTensor.OfGradient);
            }

            x.ClearGradient();
            foreach ((_, Parameter parameter) in Mixer.NamedParameters())
            {
                parameter.Tensor.ClearGradient();
            }

            return values;
        }

        public void Dispose()
        {
            Mixer.Dispose();
            _ropeTables.Dispose();
        }

        private IEnumerable<StoredTensor> Stored() => StoredTensor.Of(Mixer.NamedParameters(), _place);
    }
}
