using DynConv.Diagnostics;
namespace DynConv.Models.Conformance;

/// <summary>
/// Runs conformance vectors: files of ops and of single layers, and model folders, in which a reference implementation has left inputs, results
/// and gradients.
/// </summary>
public static class ConformanceRunner
{
    /// <summary>Runs all vectors below some paths, in the order of their names.</summary>
    /// <param name="paths">Op files, model folders, or folders with such in them.</param>
    /// <param name="device">Where to compute; the CPU if not given.</param>
    /// <param name="dtype">
    /// What to compute in: float32, or bfloat16 on CUDA. The vectors are float32, so bfloat16 is held against what the CPU computes in
    /// float32 with inputs, matrices and the results of ops rounded to bfloat16, and the CPU's float32 without rounding against the
    /// vectors.
    /// </param>
    public static IEnumerable<ConformanceResult> Run(
        IEnumerable<string> paths, Device? device = null, DType dtype = DType.Float32)
    {
        foreach (string path in paths)
        {
            if (!File.Exists(path) && !Directory.Exists(path))
            {
                throw new DynConvException($"There is no conformance vector {path}.");
            }

            var found = false;
            foreach (ConformanceResult result in RunOne(path, device ?? Device.Cpu, dtype))
            {
                found = true;
                yield return result;
            }

            if (!found)
            {
                throw new DynConvException($"{path} holds no conformance vectors: neither op files nor model folders.");
            }
        }
    }

    /// <summary>Compiles the kernels that vectors need, all at once; <see cref="Run"/> alone compiles each when it meets it.</summary>
    /// <param name="paths">As for <see cref="Run"/>.</param>
    /// <param name="device">Where to compute.</param>
    /// <param name="dtype">What to compute in.</param>
    /// <returns>How many kernels were needed that this process did not have yet; 0 on the CPU.</returns>
    public static int Prepare(IEnumerable<string> paths, Device device, DType dtype) => device.Prepare(() => _ = Run(paths, device, dtype).Count());

    private static IEnumerable<ConformanceResult> RunOne(string path, Device device, DType dtype)
    {
        if (File.Exists(path))
        {
            return [LayerVector.IsOne(path) ? LayerVector.Run(path, device, dtype) : OpVector.Run(path, device, dtype)];
        }

        if (File.Exists(Path.Combine(path, ModelVector.FileName)))
        {
            return ModelVector.Run(path, device, dtype);
        }

        return Directory.EnumerateFiles(path, "*.safetensors").Order(StringComparer.Ordinal)
            .Concat(Directory.EnumerateDirectories(path).Order(StringComparer.Ordinal))
            .SelectMany(inner => RunOne(inner, device, dtype));
    }
}
