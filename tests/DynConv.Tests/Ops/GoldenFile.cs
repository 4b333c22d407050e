using DynConv.Serialization;

namespace DynConv.Tests.Ops;

/// <summary>A conformance file of one op: inputs, the expected result, the upstream gradient and expected gradients.</summary>
public sealed class GoldenFile(string name) : IDisposable
{
    private const double Tolerance = 1e-5;

    private readonly SafetensorsReader _reader = new(Path.Combine(Folder(), "ops", $"{name}.safetensors"));

    public double Number(string key) =>
        double.Parse(_reader.Metadata[key], System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>Runs an op on the file's inputs, on every device, and compares its result and all gradients.</summary>
    public void Check(string[] inputs, Func<Tensor[], Tensor> run)
    {
        foreach (string device in TestDevices.Float32Names)
        {
            Check(inputs, run, TestDevices.Get(device));
        }
    }

    private void Check(string[] inputs, Func<Tensor[], Tensor> run, Device device)
    {
        using var scope = new TensorScope();
        using var tape = new Tape();
        Tensor[] tensors = [.. inputs.Select(input => _reader.Read($"in.{input}").To(device))];
        foreach (Tensor tensor in tensors.Where(tensor => tensor.DType == DType.Float32))
        {
            tensor.RequireGradient();
        }

        Tensor y = run(tensors);
        Compare("out.y", y);
        tape.Backward(y, _reader.Read("grad_out.y").To(device));
        for (int i = 0; i < inputs.Length; i++)
        {
            if (tensors[i].RequiresGradient)
            {
                Compare($"grad.{inputs[i]}", tensors[i].Gradient!);
                tensors[i].ClearGradient();
            }
        }
    }

    public void Dispose() => _reader.Dispose();

    private static string Folder()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder!.FullName, "DynConv.slnx")))
        {
            folder = folder.Parent;
        }

        return Path.Combine(folder.FullName, "tests", "golden");
    }

    private void Compare(string expected, Tensor got)
    {
        float[] wanted = _reader.Read(expected).ToArray<float>();
        float[] values = got.ToArray<float>();
        Assert.Equal(wanted.Length, values.Length);
        double largest = wanted.Max(value => Math.Abs((double)value));
        double limit = Tolerance * (largest == 0 ? 1 : largest);
        for (int i = 0; i < wanted.Length; i++)
        {
            double error = Math.Abs((double)values[i] - wanted[i]);
            Assert.True(error <= limit, $"{name}, {expected}: at {i} {values[i]} instead of {wanted[i]}");
        }
    }
}
