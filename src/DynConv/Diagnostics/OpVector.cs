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
        var comparison = new Comparison(name, reader);
        Dictionary<string, HostTensor> got = Execute(op, reader, device, dtype, dtype);
        if (dtype == DType.BFloat16)
        {
            comparison.BFloat16(
                Execute(op, reader, Device.Cpu, DType.Float32, DType.Float32),
                ExecuteRounding(op, reader),
                got,
                _ => op.Tolerance,
                _ => op.BFloat16Tolerance);
        }
        else
        {
            comparison.Float32(got, _ => op.Tolerance);
        }

        return comparison.Result;
    }

    // Results are rounded as well: a backward pass that reads them again reads them so.
    private static Dictionary<string, HostTensor> ExecuteRounding(OpDescription op, SafetensorsReader reader)
    {
        using IDisposable rounding = BFloat16Rounding.Start();
        return Execute(op, reader, Device.Cpu, DType.Float32, DType.BFloat16);
    }

    /// <summary>Results and gradients, by their names in the file.</summary>
    /// <param name="op">The op.</param>
    /// <param name="reader">The file.</param>
    /// <param name="device">Where to compute.</param>
    /// <param name="dtype">What in.</param>
    /// <param name="inputType">What the inputs and the gradient of the result are rounded to before.</param>
    private static Dictionary<string, HostTensor> Execute(
        OpDescription op, SafetensorsReader reader, Device device, DType dtype, DType inputType)
    {
        using var scope = new TensorScope();
        (string Name, Tensor Tensor)[] inputs = [.. reader.Entries.Keys
            .Where(static key => key.StartsWith("in.", StringComparison.Ordinal))
            .Select(key => (key[3..], Input(key[3..], reader.Read(key, device))))];
        var settings = new Dictionary<string, string>(reader.Metadata)
        {
            ["final_state"] = reader.Contains("out.final_state") ? "true" : "false",
        };
        using var call = new OpCall(inputs, settings);
        using var tape = new Tape();
        Tensor[] results = op.Run(call);
        var values = new Dictionary<string, HostTensor>();
        foreach ((OpTensor result, Tensor got) in op.Results.Zip(results))
        {
            values[$"out.{result.Name}"] = HostTensor.Of(got);
        }

        OpTensor first = op.Results[0];
        Tensor upstream = reader.Read($"grad_out.{first.Name}", device);
        tape.Backward(results[0], first.IsFloat32 ? upstream : upstream.To(inputType).To(dtype));
        foreach ((string input, Tensor tensor) in inputs.Where(static pair => pair.Tensor.RequiresGradient))
        {
            values[$"grad.{input}"] = HostTensor.OfGradient(tensor);
            tensor.ClearGradient();
        }

        return values;

        Tensor Input(string input, Tensor tensor) =>
            tensor.DType != DType.Float32 ? tensor
            : op.Inputs.Any(one => one.Name == input && one.IsFloat32) ? tensor.RequireGradient()
            : tensor.To(inputType).To(dtype).RequireGradient();
    }
}
