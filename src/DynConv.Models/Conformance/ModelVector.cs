using DynConv.Modules;
using DynConv.Serialization;

namespace DynConv.Models.Conformance;

/// <summary>A model folder with <c>golden.safetensors</c>, and perhaps <c>golden_t*.safetensors</c>, beside its weights.</summary>
internal static class ModelVector
{
    public const string FileName = "golden.safetensors";

    public static IEnumerable<ConformanceResult> Run(string folder, Device device, DType dtype)
    {
        using LanguageModel model = ModelFolder.Load(folder, device, dtype);
        foreach (string path in Directory.EnumerateFiles(folder, "golden*.safetensors").Order(StringComparer.Ordinal))
        {
            yield return Compare(model, path, $"{Path.GetFileName(folder)}/{Path.GetFileNameWithoutExtension(path)}");
        }
    }

    private static ConformanceResult Compare(LanguageModel model, string path, string name)
    {
        using var scope = new TensorScope();
        using var reader = new SafetensorsReader(path);
        var comparison = new Comparison(name);
        (double outputLimit, double gradientLimit) = Limits(model.ComputeType);
        Tensor ids = reader.Read("input_ids", model.Device);
        comparison.Check(reader, "out.logits", model.Forward(ids), outputLimit);
        if (!reader.Contains("out.loss"))
        {
            return comparison.Result;
        }

        using var tape = new Tape();
        Tensor loss = model.Loss(ids, NextTokens(ids));
        comparison.Check(reader, "out.loss", loss, outputLimit);
        tape.Backward(loss);
        foreach ((string parameterName, Parameter parameter) in model.NamedParameters())
        {
            comparison.Check(reader, $"grad.{parameterName}", parameter.Gradient, gradientLimit);
        }

        foreach ((_, Parameter parameter) in model.NamedParameters())
        {
            parameter.Tensor.ClearGradient();
        }

        return comparison.Result;
    }

    // In bfloat16 a value keeps 8 bits, and each layer rounds anew.
    private static (double Output, double Gradient) Limits(DType dtype) =>
        dtype == DType.BFloat16 ? (5e-2, 2e-1) : (1e-5, 1e-4);

    private static Tensor NextTokens(Tensor ids)
    {
        int[] tokens = ids.ToArray<int>();
        int length = (int)ids.Shape[1];
        var targets = new int[tokens.Length];
        for (int i = 0; i < targets.Length; i++)
        {
            targets[i] = (i + 1) % length == 0 ? Ops.CrossEntropy.DefaultIgnoreIndex : tokens[i + 1];
        }

        return Tensor.From(targets, ids.Shape, ids.Device);
    }
}
