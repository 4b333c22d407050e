using System.Globalization;
using DynConv.Ops;
using DynConv.Serialization;

namespace DynConv.Tests.Ops.ShortConvolutions;

/// <summary>The golden vectors of the three convolutions: results, final states and gradients within 1e-5.</summary>
public sealed class ConvolutionConformanceTests
{
    private const double Limit = 1e-5;

    private static readonly string[] Inputs = ["x", "weight", "z", "u", "static_w", "initial_state"];

    public static TheoryData<string> Files
    {
        get
        {
            var folder = new DirectoryInfo(AppContext.BaseDirectory);
            while (!Directory.Exists(Path.Combine(folder.FullName, "tests", "golden")))
            {
                folder = folder.Parent!;
            }

            string ops = Path.Combine(folder.FullName, "tests", "golden", "ops");
            return [.. new[] { "static_*", "headwise_*", "lowrank_*" }.SelectMany(kind => Directory.GetFiles(ops, kind)).Order()];
        }
    }

    [Fact]
    public void Vectors_of_all_three_kinds_are_there() => Assert.Equal(23, Files.Count);

    [Theory]
    [MemberData(nameof(Files))]
    public void Results_and_gradients_agree(string path)
    {
        using var reader = new SafetensorsReader(path);
        using var scope = new TensorScope();
        using var tape = new Tape();
        Dictionary<string, Tensor> inputs = Inputs
            .Where(name => reader.Contains($"in.{name}"))
            .ToDictionary(name => name, name => reader.Read($"in.{name}").RequireGradient());
        (Tensor y, Tensor final) = Run(reader, inputs);
        tape.Backward(y, reader.Read("grad_out.y"));
        AssertClose(reader.Read("out.y"), y);
        if (reader.Contains("out.final_state"))
        {
            AssertClose(reader.Read("out.final_state"), final);
        }

        foreach ((string name, Tensor input) in inputs)
        {
            AssertClose(reader.Read($"grad.{name}"), input.Gradient!);
            input.ClearGradient();
        }
    }

    private static (Tensor Y, Tensor Final) Run(SafetensorsReader reader, Dictionary<string, Tensor> inputs)
    {
        Tensor? constant = inputs.GetValueOrDefault("static_w");
        var options = new ShortConvolutionOptions
        {
            Residual = reader.Metadata["residual"] == "true",
            InitialState = inputs.GetValueOrDefault("initial_state"),
            Packed = reader.Contains("in.cu_seqlens")
                ? new PackedSequences([.. reader.Read("in.cu_seqlens").ToArray<int>().Select(value => (long)value)])
                : null,
        };
        return reader.Metadata["op"] switch
        {
            "static" => StaticConvolution.ApplyWithState(inputs["x"], constant!, options),
            "headwise" => HeadWiseConvolution.ApplyWithState(inputs["x"], inputs["weight"], constant, options),
            _ => LowRankConvolution.ApplyWithState(inputs["x"], inputs["z"], inputs["u"], constant, options),
        };
    }

    private static void AssertClose(Tensor wanted, Tensor got)
    {
        Assert.Equal(wanted.Shape, got.Shape);
        float[] expected = wanted.ToArray<float>();
        float[] values = got.ToArray<float>();
        double largest = expected.Select(v => Math.Abs((double)v)).DefaultIfEmpty(0).Max();
        double limit = Limit * (largest == 0 ? 1 : largest);
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.True(
                Math.Abs(values[i] - expected[i]) <= limit,
                string.Create(CultureInfo.InvariantCulture, $"{values[i]} instead of {expected[i]} at {i}"));
        }
    }
}
