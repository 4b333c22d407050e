using DynConv.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using DynConv.Models.HuggingFace;
using DynConv.Modules;
using DynConv.Serialization;

namespace DynConv.Models.Conformance;

/// <summary>A model folder with <c>golden.safetensors</c>, and perhaps <c>golden_t*.safetensors</c>, beside its weights.</summary>
internal static class ModelVector
{
    public const string FileName = "golden.safetensors";

    public static IEnumerable<ConformanceResult> Run(string folder, Device device, DType dtype)
    {
        string name = Path.GetFileName(Path.TrimEndingDirectorySeparator(folder));
        if (!TryLoad(folder, device, dtype, out LanguageModel? loaded, out string? reason))
        {
            yield return ConformanceResult.Skipped(name, reason);
            yield break;
        }

        using LanguageModel model = loaded;
        ModelFormat format = ConfigurationFile.FormatOf(Path.Combine(folder, ModelFolder.ConfigurationFileName));
        foreach (string path in Directory.EnumerateFiles(folder, "golden*.safetensors").Order(StringComparer.Ordinal))
        {
            yield return Compare(model, format, path, $"{name}/{Path.GetFileNameWithoutExtension(path)}");
        }
    }

    /// <summary>A kind of model that is not here is no failure of those that are.</summary>
    private static bool TryLoad(
        string folder, Device device, DType dtype, [NotNullWhen(true)] out LanguageModel? model, [NotNullWhen(false)] out string? reason)
    {
        try
        {
            (model, reason) = (ModelFolder.Load(folder, device, dtype), null);
            return true;
        }
        catch (DynConvException exception) when (exception.InnerException is UnknownModelTypeException unknown)
        {
            (model, reason) = (null, unknown.Message);
            return false;
        }
    }

    private static ConformanceResult Compare(LanguageModel model, ModelFormat format, string path, string name)
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
            comparison.Check(reader, $"grad.{format.TensorName(parameterName)}", parameter.Gradient, gradientLimit);
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
