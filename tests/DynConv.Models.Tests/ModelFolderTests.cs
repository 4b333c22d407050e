using System.Text.Json.Nodes;
using DynConv.Models.Tokenizers;
using DynConv.Models.Tests.Tokenizers;
using DynConv.Serialization;

namespace DynConv.Models.Tests;

public sealed class ModelFolderTests
{
    public static TheoryData<string> Variants => [.. TinyModels.Variants];

    [Theory]
    [MemberData(nameof(Variants))]
    public void A_model_comes_back_bit_for_bit(string variant)
    {
        using var folder = new TemporaryFolder();
        using LanguageModel model = TinyModels.Random(variant);
        ModelFolder.Save(folder.File("model"), model, new ByteTokenizer());
        using LanguageModel loaded = ModelFolder.Load(folder.File("model"));

        Assert.Equal(TinyModels.Weights(model), TinyModels.Weights(loaded));
        Assert.Equal(ConfigurationFile.ToJson(model.Configuration), ConfigurationFile.ToJson(loaded.Configuration));
        Assert.Equal(Logits(model), Logits(loaded));
    }

    [Fact]
    public void A_folder_holds_the_two_files_and_nothing_else()
    {
        using var folder = new TemporaryFolder();
        using LanguageModel model = TinyModels.Random("none");
        ModelFolder.Save(folder.Path, model);

        Assert.Equal(["config.json", "model.safetensors"], Directory.GetFiles(folder.Path).Select(Path.GetFileName).Order());
        using var reader = new SafetensorsReader(folder.File("model.safetensors"));
        Assert.Equal("pt", reader.Metadata["format"]);
        Assert.Equal(model.NamedParameters().Select(p => p.Key).Order(), reader.Entries.Keys.Order());
    }

    [Fact]
    public void A_model_in_several_files_is_read_as_one()
    {
        using var folder = new TemporaryFolder();
        using LanguageModel model = TinyModels.Random("lowrank all");
        ModelFolder.Save(folder.Path, model);
        var index = new JsonObject();
        KeyValuePair<string, Tensor>[] weights = [.. model.NamedParameters().Select(p => new KeyValuePair<string, Tensor>(p.Key, p.Value.Tensor))];
        foreach ((int number, KeyValuePair<string, Tensor>[] part) in weights.Chunk((weights.Length / 3) + 1).Index())
        {
            string name = $"model-{number + 1:D5}-of-00003.safetensors";
            SafetensorsWriter.Write(folder.File(name), part);
            foreach ((string tensor, _) in part)
            {
                index[tensor] = name;
            }
        }

        File.Delete(folder.File("model.safetensors"));
        folder.Write("model.safetensors.index.json", new JsonObject { ["weight_map"] = index }.ToJsonString());

        using LanguageModel loaded = ModelFolder.Load(folder.Path);
        Assert.Equal(TinyModels.Weights(model), TinyModels.Weights(loaded));
    }

    [Fact]
    public void Bfloat16_weights_are_read_as_they_are_rounded()
    {
        using var folder = new TemporaryFolder();
        using LanguageModel model = TinyModels.Random("none");
        ModelFolder.Save(folder.Path, model);
        SafetensorsWriter.Write(
            folder.File("model.safetensors"),
            model.NamedParameters().Select(p => new KeyValuePair<string, Tensor>(p.Key, p.Value.Tensor)),
            floatType: DType.BFloat16);

        using LanguageModel loaded = ModelFolder.Load(folder.Path);
        Dictionary<string, float[]> wanted = TinyModels.Weights(model);
        Assert.All(TinyModels.Weights(loaded), weight => Assert.All(weight.Value.Zip(wanted[weight.Key]), pair =>
        {
            Assert.Equal(0u, BitConverter.SingleToUInt32Bits(pair.First) & 0xFFFF);

            // Eight bits of mantissa, rounded to nearest: half of 2 to the -7 of the value.
            Assert.InRange(Math.Abs(pair.First - pair.Second), 0, Math.Abs(pair.Second) / 256);
        }));
    }

    [Fact]
    public void A_tied_output_layer_may_be_stored_a_second_time_and_derived_values_too()
    {
        using var folder = new TemporaryFolder();
        using var scope = new TensorScope();
        using LanguageModel model = TinyModels.Random("none");
        ModelFolder.Save(folder.Path, model);
        Rewrite(folder, weights =>
        {
            weights["lm_head.weight"] = weights["model.embed_tokens.weight"];
            weights["model.layers.0.self_attn.rotary_emb.inv_freq"] = Tensor.Zeros([2]);
        });

        using LanguageModel loaded = ModelFolder.Load(folder.Path);
        Assert.Equal(TinyModels.Weights(model), TinyModels.Weights(loaded));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_tied_embedding_may_be_stored_as_the_output_layer_alone(bool isTold)
    {
        using var folder = new TemporaryFolder();
        using LanguageModel model = TinyModels.Random("none");
        ModelFolder.Save(folder.Path, model);
        Rewrite(
            folder,
            weights =>
            {
                weights["lm_head.weight"] = weights["model.embed_tokens.weight"];
                weights.Remove("model.embed_tokens.weight");
            },
            isTold ? new() { ["format"] = "pt", ["model.embed_tokens.weight"] = "lm_head.weight" } : []);

        using LanguageModel loaded = ModelFolder.Load(folder.Path);
        Assert.Equal(TinyModels.Weights(model), TinyModels.Weights(loaded));
    }

    [Fact]
    public void Weights_that_share_their_values_may_be_stored_once_with_their_other_names_in_the_metadata()
    {
        using var folder = new TemporaryFolder();
        using LanguageModel model = TinyModels.Random("headwise all qknorm untied");
        ModelFolder.Save(folder.Path, model);
        Rewrite(
            folder,
            weights => weights.Remove("model.layers.1.input_layernorm.weight"),
            new() { ["model.layers.1.input_layernorm.weight"] = "model.layers.0.input_layernorm.weight", ["unused"] = "model.norm.weight" });

        using LanguageModel loaded = ModelFolder.Load(folder.Path);
        Dictionary<string, float[]> weights = TinyModels.Weights(loaded);
        Assert.Equal(weights["model.layers.0.input_layernorm.weight"], weights["model.layers.1.input_layernorm.weight"]);
    }

    public static TheoryData<string, string, string> Contradictions => new()
    {
        { "none", "num_hidden_layers=3", "the configuration asks for model.layers.2.input_layernorm.weight [12], and the weights do not have it." },
        { "none", "num_hidden_layers=1", "the weights have model.layers.1.input_layernorm.weight [12], and the configuration has no place for it." },
        { "none", "intermediate_size=24", "model.layers.0.mlp.gate_proj.weight is [20, 12] in the weights, and the configuration makes it [24, 12]." },
        { "none", "num_key_value_heads=4", "model.layers.0.self_attn.k_proj.weight is [8, 12] in the weights, and the configuration makes it [16, 12]." },
        { "none", "vocab_size=30", "model.embed_tokens.weight is [29, 12] in the weights, and the configuration makes it [30, 12]." },
        { "none", "tie_word_embeddings=false", "the configuration asks for lm_head.weight [29, 12], and the weights do not have it." },
        { "none qknorm", "model_type=\"llama\"", "the weights have model.layers.0.self_attn.k_norm.weight [4], and the configuration has no place for it." },
    };

    [Theory]
    [MemberData(nameof(Contradictions))]
    public void A_configuration_that_contradicts_the_weights_names_the_tensor_and_the_shapes(string variant, string change, string message)
    {
        using var folder = new TemporaryFolder();
        using LanguageModel model = TinyModels.Random(variant);
        ModelFolder.Save(folder.Path, model);
        JsonObject json = JsonNode.Parse(File.ReadAllText(folder.File("config.json")))!.AsObject();
        string[] words = change.Split('=');
        json[words[0]] = JsonNode.Parse(words[1]);
        folder.Write("config.json", json.ToJsonString());

        Assert.Equal($"{folder.Path}: {message}", Failure(folder));
    }

    [Fact]
    public void A_configuration_that_is_out_of_all_proportion_to_the_weights_takes_no_memory()
    {
        using var folder = new TemporaryFolder();
        using LanguageModel model = TinyModels.Random("none");
        ModelFolder.Save(folder.Path, model);
        string json = File.ReadAllText(folder.File("config.json"));
        folder.Write("config.json", json.Replace("\"intermediate_size\": 20", "\"intermediate_size\": 1000000", StringComparison.Ordinal));

        Assert.Equal($"{folder.Path}: the configuration makes 72,001,560 parameters, and the weights have {model.ParameterCount:N0}.", Failure(folder));
    }

    [Fact]
    public void A_convolution_that_contradicts_the_weights_is_named()
    {
        using var folder = new TemporaryFolder();
        using LanguageModel model = TinyModels.Random("lowrank qkv");
        ModelFolder.Save(folder.Path, model);
        string json = File.ReadAllText(folder.File("config.json"));

        folder.Write("config.json", json.Replace("\"rank\": 3", "\"rank\": 5", StringComparison.Ordinal));
        Assert.Equal(
            $"{folder.Path}: model.layers.0.self_attn.q_conv.generator_in.weight is [3, 12] in the weights, and the configuration makes it [5, 12].",
            Failure(folder));

        folder.Write("config.json", json.Replace("lowrank", "static", StringComparison.Ordinal));
        Assert.Matches("the weights have .*generator_(in|out).weight .* and the configuration has no place for it", Failure(folder));
    }

    [Fact]
    public void Weights_of_whole_numbers_are_refused()
    {
        using var folder = new TemporaryFolder();
        using var scope = new TensorScope();
        using LanguageModel model = TinyModels.Random("none");
        ModelFolder.Save(folder.Path, model);
        Rewrite(folder, weights => weights["model.norm.weight"] = Tensor.From(new int[12], [12]));

        Assert.Contains("model.norm.weight", Failure(folder));
    }

    [Theory]
    [InlineData("truncated")]
    [InlineData("header")]
    [InlineData("empty")]
    public void Damaged_weights_are_one_sentence_about_the_file(string damage)
    {
        using var folder = new TemporaryFolder();
        using LanguageModel model = TinyModels.Random("lowrank qkv");
        ModelFolder.Save(folder.Path, model);
        string path = folder.File("model.safetensors");
        byte[] bytes = File.ReadAllBytes(path);
        File.WriteAllBytes(path, damage switch
        {
            "truncated" => bytes[..^100],
            "header" => [.. bytes[..7], 0x7F, .. bytes[8..]],
            _ => [],
        });

        string message = Failure(folder);
        Assert.Contains(path, message);
        Assert.DoesNotContain('\n', message);
    }

    [Fact]
    public void What_is_missing_is_named()
    {
        using var folder = new TemporaryFolder();
        Assert.Equal($"There is no model folder {folder.File("x")}.", Assert.Throws<DynConvException>(() => ModelFolder.Load(folder.File("x"))).Message);
        Assert.StartsWith($"{folder.File("config.json")} cannot be read", Failure(folder));
        folder.Write("config.json", ConfigurationFile.ToJson(TinyModels.Plain));
        Assert.Contains("neither model.safetensors nor model.safetensors.index.json", Failure(folder));
    }

    [Fact]
    public void A_failed_load_leaves_no_tensor_behind()
    {
        using var folder = new TemporaryFolder();
        using LanguageModel model = TinyModels.Random("lowrank qkv");
        ModelFolder.Save(folder.Path, model);
        string json = File.ReadAllText(folder.File("config.json"));
        folder.Write("config.json", json.Replace("\"rank\": 3", "\"rank\": 5", StringComparison.Ordinal));
        long before = Device.Cpu.Memory.LiveBuffers;

        Failure(folder);

        Assert.Equal(before, Device.Cpu.Memory.LiveBuffers);
    }

    private static string Failure(TemporaryFolder folder) =>
        Assert.Throws<DynConvException>(() => ModelFolder.Load(folder.Path)).Message;

    private static float[] Logits(LanguageModel model)
    {
        using var scope = new TensorScope();
        return model.Forward(TinyModels.Ids(4, 8, 15, 16, 23)).ToArray<float>();
    }

    private static void Rewrite(
        TemporaryFolder folder, Action<Dictionary<string, Tensor>> change, Dictionary<string, string>? metadata = null)
    {
        Dictionary<string, Tensor> weights;
        using (var reader = new CheckpointReader(folder.Path))
        {
            weights = reader.Entries.Keys.ToDictionary(name => name, name => reader.Read(name));
        }

        change(weights);
        SafetensorsWriter.Write(folder.File("model.safetensors"), weights, metadata);
    }
}
