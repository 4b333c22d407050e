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
        using LanguageModel? exact = dtype == DType.BFloat16 ? ModelFolder.Load(folder) : null;
        using LanguageModel? rounded = dtype == DType.BFloat16 ? RoundedLike(model, folder) : null;
        ModelFormat format = ConfigurationFile.FormatOf(Path.Combine(folder, ModelFolder.ConfigurationFileName));
        foreach (string path in Directory.EnumerateFiles(folder, "golden*.safetensors").Order(StringComparer.Ordinal))
        {
            using var reader = new SafetensorsReader(path);
            var comparison = new Comparison($"{name}/{Path.GetFileNameWithoutExtension(path)}", reader);
            Dictionary<string, HostTensor> got = Execute(model, format, reader);
            if (exact is not null && rounded is not null)
            {
                comparison.BFloat16(Execute(exact, format, reader), ExecuteRounding(rounded, format, reader), got, Float32Limit, BFloat16Limit);
            }
            else
            {
                comparison.Float32(got, Float32Limit);
            }

            yield return comparison.Result;
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

    /// <summary>
    /// A float32 model on the CPU with the numbers that one in bfloat16 computes with, which keeps a copy of the parameters that it
    /// rounds.
    /// </summary>
    private static LanguageModel RoundedLike(LanguageModel model, string folder)
    {
        LanguageModel rounded = ModelFolder.Load(folder);
        RoundLike(model, rounded);
        return rounded;
    }

    /// <summary>Rounds the parameters of a module on the CPU that one like it computes with in bfloat16.</summary>
    internal static void RoundLike(Module model, Module rounded)
    {
        using var scope = new TensorScope();
        foreach ((Parameter own, Parameter other) in model.NamedParameters().Zip(
            rounded.NamedParameters(), static (own, other) => (own.Value, other.Value)))
        {
            if (own.Tensor.Storage.Counterpart is not null)
            {
                Tensor values = other.Tensor.Detach();
                values.CopyFrom(values.To(DType.BFloat16).To(DType.Float32));
            }
        }
    }

    private static Dictionary<string, HostTensor> ExecuteRounding(LanguageModel model, ModelFormat format, SafetensorsReader reader)
    {
        using IDisposable rounding = BFloat16Rounding.Start();
        return Execute(model, format, reader);
    }

    /// <summary>Scores, loss and gradients, by their names in the file.</summary>
    private static Dictionary<string, HostTensor> Execute(LanguageModel model, ModelFormat format, SafetensorsReader reader)
    {
        using var scope = new TensorScope();
        Tensor ids = reader.Read("input_ids", model.Device);
        var values = new Dictionary<string, HostTensor> { ["out.logits"] = HostTensor.Of(model.Forward(ids)) };
        if (!reader.Contains("out.loss"))
        {
            return values;
        }

        using var tape = new Tape();
        Tensor loss = model.Loss(ids, NextTokens(ids));
        values["out.loss"] = HostTensor.Of(loss);
        tape.Backward(loss);
        foreach (StoredTensor stored in StoredTensor.Of(model.NamedParameters(), format.PlaceOf))
        {
            values[$"grad.{stored.Name}"] = stored.Join(HostTensor.OfGradient);
        }

        foreach ((_, Parameter parameter) in model.NamedParameters())
        {
            parameter.Tensor.ClearGradient();
        }

        return values;
    }

    private static bool IsGradient(string tensor) => tensor.StartsWith("grad.", StringComparison.Ordinal);

    internal static double Float32Limit(string tensor) => IsGradient(tensor) ? 1e-4 : 1e-5;

    // What kernels round inside, such as low-rank filters, and roundings between ops that fell to the other side; the gradient of a
    // norm on queries, a sum in which much cancels, is off by 1e-1.
    internal static double BFloat16Limit(string tensor) => IsGradient(tensor) ? 1.2e-1 : 4e-2;

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
