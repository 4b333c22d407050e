using DynConv.Diagnostics;
using DynConv.Ops;
using DynConv.Serialization;
using DynConv.Tests.Cuda;

namespace DynConv.Tests.Ops;

/// <summary>Results and gradients against vectors that another implementation computed in float64.</summary>
[Trait("Uses", "compiler")]
public sealed class OpVectorTests
{
    private static readonly string Folder = Path.Combine(Repository.Folder, "tests", "golden", "ops");

    private static readonly string[] Files = [.. Directory.GetFiles(Folder, "*.safetensors").Order()];

    public static TheoryData<string, string> Vectors => new(
        from device in TestDevices.Names.Except([TestDevices.MixedCuda])
        from file in Files
        select (Path.GetFileNameWithoutExtension(file), device));

    [Theory]
    [MemberData(nameof(Vectors), DisableDiscoveryEnumeration = true)]
    public void Results_and_gradients_conform(string name, string device)
    {
        ConformanceResult result = OpVector.Run(
            Path.Combine(Folder, $"{name}.safetensors"), TestDevices.Get(device), TestDevices.TypeOf(device, isParameter: false));
        Assert.SkipWhen(result.Outcome == ConformanceOutcome.Skipped, result.Detail);
        Assert.True(result.Outcome == ConformanceOutcome.Passed, $"{name} on {device}: {result}");
    }

    [Fact]
    public void A_vector_that_rounding_moves_far_passes_in_bfloat16()
    {
        Device card = CudaCard.Get();
        using var file = new VectorFile(static inputs => inputs["q"] = inputs["q"].Select(value => 100 * value).ToArray());

        ConformanceResult result = OpVector.Run(file.Path, card, DType.BFloat16);

        Assert.True(result.Outcome == ConformanceOutcome.Passed, result.ToString());
        Assert.InRange(result.RoundingShift!.Value, 2e-1, 1);
    }

    [Fact]
    public void In_bfloat16_a_changed_expectation_fails_too()
    {
        Device card = CudaCard.Get();
        using var file = new VectorFile(static _ => { }, static results => results["grad.k"][^1] += 1e-3f * results["grad.k"].Max(Math.Abs));

        ConformanceResult result = OpVector.Run(file.Path, card, DType.BFloat16);

        Assert.Equal((ConformanceOutcome.Failed, "grad.k in float32 on the CPU"), (result.Outcome, result.Detail));
        Assert.InRange(result.LargestError, 0.9e-3, 1.1e-3);
    }

    [Fact]
    public void Vectors_of_all_ops_are_there()
    {
        Assert.Equal(23, Files.Select(Path.GetFileName).Count(name => name!.Split('_')[0] is "static" or "headwise" or "lowrank"));
        Assert.Equal(10, Files.Select(Path.GetFileName).Count(name => name!.Split('_')[0] is "attention" or "rope" or "rms" or "swiglu" or "cross"));
    }

    /// <summary>A vector of attention with other inputs, whose results the CPU computes.</summary>
    private sealed class VectorFile : IDisposable
    {
        public VectorFile(Action<Dictionary<string, float[]>> changeInputs, Action<Dictionary<string, float[]>>? changeResults = null)
        {
            using var scope = new TensorScope();
            using var reader = new SafetensorsReader(System.IO.Path.Combine(Folder, "attention_mha.safetensors"));
            Dictionary<string, Shape> shapes = reader.Entries.Keys.ToDictionary(key => key, key => reader.Read(key).Shape);
            Dictionary<string, float[]> inputs = shapes.Keys.Where(key => key.StartsWith("in.", StringComparison.Ordinal))
                .ToDictionary(key => key[3..], key => reader.Read(key).ToArray<float>());
            changeInputs(inputs);
            Dictionary<string, Tensor> tensors = inputs.ToDictionary(
                pair => pair.Key, pair => Tensor.From(pair.Value, shapes[$"in.{pair.Key}"]).RequireGradient());
            using var call = new OpCall(tensors.Select(pair => (pair.Key, pair.Value)), new Dictionary<string, string>(reader.Metadata));
            using var tape = new Tape();
            Tensor y = Attention.Description.Run(call)[0];
            tape.Backward(y, reader.Read("grad_out.y"));
            var results = tensors.ToDictionary(pair => $"grad.{pair.Key}", pair => pair.Value.Gradient!.ToArray<float>());
            results["out.y"] = y.ToArray<float>();
            changeResults?.Invoke(results);
            var all = results.ToDictionary(pair => pair.Key, pair => Tensor.From(pair.Value, shapes[pair.Key]));
            foreach ((string name, Tensor tensor) in tensors)
            {
                all[$"in.{name}"] = tensor.Detach();
                tensor.ClearGradient();
            }

            all["grad_out.y"] = reader.Read("grad_out.y");
            SafetensorsWriter.Write(Path, all, new Dictionary<string, string>(reader.Metadata));
        }

        public string Path { get; } = System.IO.Path.Combine(System.IO.Path.GetTempPath(), $"{Guid.NewGuid():N}.safetensors");

        public void Dispose() => File.Delete(Path);
    }
}
