using DynConv.Ops;
using DynConv.Serialization;

namespace DynConv.Diagnostics;

/// <summary>
/// A conformance vector of one op: a file in which a reference implementation has left inputs (<c>in.NAME</c>), results
/// (<c>out.NAME</c>), the gradient of the first of them and those of the inputs (<c>grad.NAME</c>); its metadata names the op
/// and holds its settings.
/// </summary>
internal static class OpVector
{
    // In bfloat16 the inputs are rounded too, to 8 bits: twice what the op itself may be off by.
    private const double InputRounding = 2;

    /// <summary>Runs the op on the file's inputs and compares its results and all gradients.</summary>
    /// <param name="path">The file.</param>
    /// <param name="device">Where to compute.</param>
    /// <param name="dtype">What in.</param>
    public static ConformanceResult Run(string path, Device device, DType dtype)
    {
        string name = Path.GetFileNameWithoutExtension(path);
        using var reader = new SafetensorsReader(path);
        if (!reader.Metadata.TryGetValue("op", out string? op))
        {
            return ConformanceResult.Skipped(name, "the file does not say which op it is of");
        }

        if (OpCatalogue.Find(op) is not { } description)
        {
            return ConformanceResult.Skipped(name, $"{op} is not implemented");
        }

        if (!description.HasGradient)
        {
            return ConformanceResult.Skipped(name, $"{op} has no gradient to compare");
        }

        try
        {
            return Compare(name, description, reader, device, dtype);
        }
        catch (Exception exception) when (exception is DynConvException or ArgumentException)
        {
            throw new DynConvException($"{path}: {exception.Message}", exception);
        }
    }

    private static ConformanceResult Compare(string name, OpDescription op, SafetensorsReader reader, Device device, DType dtype)
    {
        using var scope = new TensorScope();
        (string Name, Tensor Tensor)[] inputs = [.. reader.Entries.Keys
            .Where(static key => key.StartsWith("in.", StringComparison.Ordinal))
            .Select(key => (key[3..], Input(reader.Read(key, device), dtype)))];
        var settings = new Dictionary<string, string>(reader.Metadata)
        {
            ["final_state"] = reader.Contains("out.final_state") ? "true" : "false",
        };
        using var call = new OpCall(inputs, settings);
        using var tape = new Tape();
        var comparison = new Comparison(name);
        double limit = dtype == DType.BFloat16 ? InputRounding * op.BFloat16Tolerance : op.Tolerance;
        Tensor[] results = op.Run(call);
        foreach ((OpTensor result, Tensor got) in op.Results.Zip(results))
        {
            comparison.Check(reader, $"out.{result.Name}", got, limit);
        }

        string first = op.Results[0].Name;
        tape.Backward(results[0], reader.Read($"grad_out.{first}", device).To(results[0].DType));
        foreach ((string input, Tensor tensor) in inputs.Where(static pair => pair.Tensor.RequiresGradient))
        {
            comparison.Check(reader, $"grad.{input}", tensor.Gradient, limit);
            tensor.ClearGradient();
        }

        return comparison.Result;
    }

    private static Tensor Input(Tensor tensor, DType dtype) =>
        tensor.DType == DType.Float32 ? tensor.To(dtype).RequireGradient() : tensor;
}
