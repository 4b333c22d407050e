using System.Text.Json.Nodes;
using DynConv.Diagnostics;
using DynConv.Models.Conformance;
using DynConv.Models.Tests.Tokenizers;
using DynConv.Serialization;

namespace DynConv.Models.Tests.Conformance;

public sealed class ConformanceTests
{
    [Fact]
    public void Every_vector_passes()
    {
        ConformanceResult[] results = [.. ConformanceRunner.Run([Golden("ops")])];

        Assert.Equal(Directory.GetFiles(Golden("ops")).Length, results.Length);
        Assert.All(results, result =>
        {
            Assert.Equal(ConformanceOutcome.Passed, result.Outcome);
            Assert.InRange(result.LargestError, 0, 1e-5);
        });
    }

    [Theory]
    [InlineData("models")]
    [InlineData("hf")]
    public void Every_model_passes(string folder)
    {
        ConformanceResult[] results = [.. ConformanceRunner.Run([Golden(folder)])];

        Assert.Equal(Directory.GetFiles(Golden(folder), "golden*.safetensors", SearchOption.AllDirectories).Length, results.Length);
        Assert.All(results, result => Assert.Equal(ConformanceOutcome.Passed, result.Outcome));
    }

    [Fact]
    public void Every_layer_passes()
    {
        ConformanceResult[] results = [.. ConformanceRunner.Run([Golden("layers")])];

        Assert.Equal(Directory.GetFiles(Golden("layers")).Length, results.Length);
        Assert.All(results, result =>
        {
            Assert.Equal(ConformanceOutcome.Passed, result.Outcome);
            Assert.InRange(result.LargestError, 0, 1e-5);
        });
    }

    [Theory]
    [InlineData("mamba2", "out.y")]
    [InlineData("mamba2", "grad.conv1d.weight")]
    [InlineData("gated_deltanet_qwen3_next", "grad.in_proj_qkvz.weight")]
    [InlineData("gated_deltanet_positive_eigenvalues", "grad.A_log")]
    public void A_changed_expectation_of_a_layer_fails(string layer, string tensor)
    {
        using var folder = new TemporaryFolder();
        string changed = folder.File("changed.safetensors");
        Change(Path.Combine(Golden("layers"), $"{layer}.safetensors"), changed, tensor, values => values[^1] += 1e-3f * values.Max(Math.Abs));

        ConformanceResult result = Assert.Single(ConformanceRunner.Run([changed]));

        Assert.Equal(ConformanceOutcome.Failed, result.Outcome);
        Assert.Equal(tensor, result.Detail);
    }

    [Fact]
    public void A_layer_that_is_not_here_is_skipped_with_its_name()
    {
        using var folder = new TemporaryFolder();
        string vector = folder.File("other.safetensors");
        SafetensorsWriter.Write(vector, [new("in.x", Tensor.Zeros([1, 1, 1]))], [new("layer", "retention")]);

        ConformanceResult result = Assert.Single(ConformanceRunner.Run([vector]));
        Assert.Equal(ConformanceOutcome.Skipped, result.Outcome);
        Assert.Equal("retention is not implemented", result.Detail);
    }

    [Fact]
    public void A_folder_that_another_tool_wrote_is_the_same_model_after_it_was_written_here()
    {
        using var folder = new TemporaryFolder();
        foreach (string source in Directory.GetDirectories(Golden("hf")))
        {
            string copy = folder.File(Path.GetFileName(source));
            using (LanguageModel model = ModelFolder.Load(source))
            {
                ModelFolder.Save(copy, model);
            }

            File.Copy(Path.Combine(source, "golden.safetensors"), Path.Combine(copy, "golden.safetensors"));
            Assert.Equal(ConformanceOutcome.Passed, Assert.Single(ConformanceRunner.Run([copy])).Outcome);

            // A Llama says all that such a Mistral does.
            Assert.Equal(ModelType(source) is "mistral" ? "llama" : ModelType(source), ModelType(copy));
        }

        static string? ModelType(string model) =>
            (string?)JsonNode.Parse(File.ReadAllText(Path.Combine(model, "config.json")))!["model_type"];
    }

    [Fact]
    public void A_kind_of_model_that_is_not_here_is_skipped_with_its_name()
    {
        using var folder = new TemporaryFolder();
        folder.Write("config.json", """{"model_type": "mixtral"}""");
        folder.Write("golden.safetensors", "");

        ConformanceResult result = Assert.Single(ConformanceRunner.Run([folder.Path]));
        Assert.Equal(ConformanceOutcome.Skipped, result.Outcome);
        Assert.StartsWith("model_type is 'mixtral'", result.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("lowrank", "out.y")]
    [InlineData("lowrank", "grad.u")]
    [InlineData("static", "grad.static_w")]
    [InlineData("attention", "grad.k")]
    public void A_changed_expectation_of_an_op_fails(string op, string tensor)
    {
        using var folder = new TemporaryFolder();
        string vector = Directory.GetFiles(Golden("ops"), $"{op}_*.safetensors").Order(StringComparer.Ordinal).First();
        string changed = folder.File("changed.safetensors");
        Change(vector, changed, tensor, values => values[^1] += 1e-3f * values.Max(Math.Abs));

        ConformanceResult result = Assert.Single(ConformanceRunner.Run([changed]));

        Assert.Equal(ConformanceOutcome.Failed, result.Outcome);
        Assert.Equal(tensor, result.Detail);
        Assert.InRange(result.LargestError, 0.9e-3, 1.1e-3);
    }

    [Theory]
    [InlineData("out.logits")]
    [InlineData("out.loss")]
    [InlineData("grad.model.layers.1.self_attn.v_conv.generator_out.weight")]
    public void A_changed_expectation_of_a_model_fails(string tensor)
    {
        using var folder = new TemporaryFolder();
        CopyModel("lowrank_qkv", folder);
        string golden = folder.File("golden.safetensors");
        Change(golden, golden, tensor, values => values[0] += 1e-2f * values.Max(Math.Abs));

        ConformanceResult failed = Assert.Single(
            ConformanceRunner.Run([folder.Path]), result => result.Outcome != ConformanceOutcome.Passed);

        Assert.Equal(ConformanceOutcome.Failed, failed.Outcome);
        Assert.Equal(tensor, failed.Detail);
    }

    [Fact]
    public void A_changed_weight_of_a_model_fails()
    {
        using var folder = new TemporaryFolder();
        CopyModel("plain", folder);
        string weights = folder.File("model.safetensors");
        Change(weights, weights, "model.layers.0.mlp.up_proj.weight", values => values[3] += 0.1f);

        Assert.Contains(ConformanceRunner.Run([folder.Path]), result => result.Outcome == ConformanceOutcome.Failed);
    }

    [Fact]
    public void An_expectation_that_is_not_a_number_fails()
    {
        using var folder = new TemporaryFolder();
        string changed = folder.File("changed.safetensors");
        Change(Directory.GetFiles(Golden("ops"), "swiglu_*")[0], changed, "out.y", values => values[0] = float.NaN);

        Assert.Equal(ConformanceOutcome.Failed, Assert.Single(ConformanceRunner.Run([changed])).Outcome);
    }

    [Fact]
    public void A_path_without_vectors_is_an_error()
    {
        using var folder = new TemporaryFolder();
        Assert.Contains("holds no conformance vectors", Failure(folder.Path), StringComparison.Ordinal);
        Assert.Equal($"There is no conformance vector {folder.File("none")}.", Failure(folder.File("none")));
    }

    private static string Failure(string path) =>
        Assert.Throws<DynConvException>(() => ConformanceRunner.Run([path]).ToList()).Message;

    private static string Golden(string name) => Path.Combine(SharedData.RepositoryRoot(), "tests", "golden", name);

    private static void CopyModel(string name, TemporaryFolder folder)
    {
        foreach (string file in Directory.GetFiles(Path.Combine(Golden("models"), name)))
        {
            File.Copy(file, folder.File(Path.GetFileName(file)));
        }
    }

    private static void Change(string source, string target, string tensor, Action<float[]> change)
    {
        using var scope = new TensorScope();
        Dictionary<string, Tensor> tensors;
        Dictionary<string, string> metadata;
        using (var reader = new SafetensorsReader(source))
        {
            metadata = new(reader.Metadata);
            tensors = reader.Entries.Keys.ToDictionary(name => name, name => reader.Read(name));
        }

        float[] values = tensors[tensor].ToArray<float>();
        change(values);
        tensors[tensor] = Tensor.From(values, tensors[tensor].Shape);
        SafetensorsWriter.Write(target, tensors, metadata);
    }
}
