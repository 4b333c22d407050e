using System.Text.Json.Nodes;
using DynConv.Models.Layers;
using DynConv.Models.Tests.Tokenizers;
using DynConv.Modules;
using FsCheck;
using FsCheck.Fluent;

namespace DynConv.Models.Tests.Configuration;

public sealed class ConfigurationFileTests
{
    private const string Minimal = """
        {
          "vocab_size": 100, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4
        }
        """;

    [Fact]
    public void What_is_written_is_read_back() => Prop.ForAll(Shapes.ToArbitrary(), shape =>
    {
        string json = ConfigurationFile.ToJson(shape, endOfTextId: 7);
        ModelConfiguration read = ConfigurationFile.Parse(json);
        Assert.Equal(json, ConfigurationFile.ToJson(read, endOfTextId: 7));
        Assert.Equal(shape, read);
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void A_plain_model_is_a_llama_to_other_tools()
    {
        JsonNode json = JsonNode.Parse(ConfigurationFile.ToJson(TinyModels.Plain, endOfTextId: 28))!;

        Assert.Equal("llama", (string?)json["model_type"]);
        Assert.Equal(["LlamaForCausalLM"], json["architectures"]!.AsArray().Select(name => (string?)name));
        Assert.Equal(28, (int?)json["eos_token_id"]);
        Assert.Null(json["short_conv"]);
        Assert.Null(json["qk_norm"]);
    }

    [Theory]
    [InlineData("none", "llama", "LlamaForCausalLM")]
    [InlineData("none bias", "llama", "LlamaForCausalLM")]
    [InlineData("none qknorm", "qwen3", "Qwen3ForCausalLM")]
    [InlineData("lowrank qkv", "dynconv_llama", "DynConvLlamaForCausalLM")]
    [InlineData("static all", "dynconv_llama", "DynConvLlamaForCausalLM")]
    [InlineData("none qknorm bias", "dynconv_llama", "DynConvLlamaForCausalLM")]
    [InlineData("mixed", "dynconv", "DynConvForCausalLM")]
    [InlineData("mamba2 alone", "mamba2", "Mamba2ForCausalLM")]
    [InlineData("mamba2", "dynconv", "DynConvForCausalLM")]
    [InlineData("gdn", "gated_deltanet", "GatedDeltaNetForCausalLM")]
    [InlineData("gdn lowrank qkv", "dynconv", "DynConvForCausalLM")]
    [InlineData("hybrid", "dynconv", "DynConvForCausalLM")]
    public void A_model_is_written_as_what_other_tools_know_if_that_says_all_of_it(string variant, string type, string architecture)
    {
        JsonNode json = JsonNode.Parse(ConfigurationFile.ToJson(TinyModels.Shape(variant)))!;

        Assert.Equal(type, (string?)json["model_type"]);
        Assert.Equal([architecture], json["architectures"]!.AsArray().Select(name => (string?)name));
    }

    [Fact]
    public void Biases_on_queries_keys_and_values_alone_make_a_qwen2()
    {
        ModelConfiguration shape = TinyModels.Plain.WithAttention(attention => attention with { QkvBias = true });
        JsonNode json = JsonNode.Parse(ConfigurationFile.ToJson(shape))!;

        Assert.Equal("qwen2", (string?)json["model_type"]);
        Assert.Null(json["attention_bias"]);
        Assert.Equal(shape, ConfigurationFile.Parse(json.ToJsonString()));
    }

    [Theory]
    [InlineData(""" "model_type": "mistral", "sliding_window": 24 """, 24)]
    [InlineData(""" "model_type": "mistral", "sliding_window": 4096, "max_position_embeddings": 32 """, 32)]
    [InlineData(""" "model_type": "mistral", "sliding_window": null """, 131_072)]
    [InlineData(""" "model_type": "mistral" """, 4096)]
    [InlineData(""" "model_type": "qwen2", "use_sliding_window": true """, 32_768)]
    [InlineData(""" "model_type": "qwen2", "use_sliding_window": true, "max_window_layers": 1 """, 4096)]
    [InlineData(""" "model_type": "qwen2", "sliding_window": 24, "use_sliding_window": true, "max_window_layers": 0 """, 24)]
    [InlineData(""" "model_type": "qwen3", "sliding_window": 24, "use_sliding_window": false """, 32_768)]
    public void A_sliding_window_is_the_longest_sequence(string keys, int positions) =>
        Assert.Equal(positions, ConfigurationFile.Parse(With($""" "num_key_value_heads": 2, {keys} """)).MaxPositions);

    [Theory]
    [InlineData("llama", "", 64, 64)]
    [InlineData("mistral", "", 8, 64)]
    [InlineData("mistral", """, "num_key_value_heads": null""", 64, 64)]
    [InlineData("qwen2", "", 32, 64)]
    [InlineData("qwen3", "", 32, 128)]
    [InlineData("qwen3", """, "head_dim": 32, "num_key_value_heads": 16""", 16, 32)]
    public void What_a_file_leaves_out_is_what_its_kind_of_model_usually_has(string type, string keys, int keyValueHeads, int headDimension)
    {
        string json = With($$"""
            "model_type": "{{type}}", "hidden_size": 4096, "num_attention_heads": 64, "sliding_window": null {{keys}}
            """);
        var attention = (AttentionConfiguration)ConfigurationFile.Parse(json).Layers[0].Sequence;
        Assert.Equal((keyValueHeads, headDimension), (attention.KeyValueHeads, attention.HeadDimension));
    }

    [Fact]
    public void Layers_that_differ_are_listed_with_their_convolutions_place_by_place()
    {
        ModelConfiguration shape = TinyModels.Shape("mixed");
        string json = ConfigurationFile.ToJson(shape with { Layers = [.. shape.Layers, shape.Layers[^1]] });
        JsonArray layers = JsonNode.Parse(json)!["layers"]!.AsArray();

        Assert.Equal([1, 1, 2], layers.Select(layer => (int)layer!["repeat"]!));
        Assert.Equal("static", (string?)layers[0]!["sequence_mixer"]!["short_conv"]!["k"]!["kind"]);
        Assert.Equal(2, (int?)layers[1]!["channel_mixer"]!["short_conv"]!["up"]!["rank"]);
        Assert.Equal("nope", (string?)layers[1]!["sequence_mixer"]!["position_embedding_type"]);
        Assert.Equal(json, ConfigurationFile.ToJson(ConfigurationFile.Parse(json)));
    }

    [Theory]
    [InlineData("\"repeat\": 1", "\"repeat\": 0", "layers[].repeat is 0; it has to be at least 1.")]
    [InlineData("\"repeat\": 1", "\"repeat\": 2147483647", "num_hidden_layers is 2147483647; it can be 10000 at most.")]
    [InlineData("\"num_hidden_layers\": 3", "\"num_hidden_layers\": 4", "num_hidden_layers is 4, and layers lists 3.")]
    [InlineData("\"type\": \"attention\"", "\"type\": \"retention\"", "There is no sequence mixer 'retention'; there are attention, gdn, mamba2.")]
    [InlineData("\"type\": \"feed_forward\"", "\"type\": \"attention\"", "There is no channel mixer 'attention'; there is feed_forward.")]
    [InlineData("\"head_dim\": 4", "\"head_size\": 4", "There is no setting layers[0].sequence_mixer.head_size; there can be type, num_attention_heads, attention_bias, position_embedding_type, rope_scaling, rope_parameters, rope_theta, partial_rotary_factor, num_key_value_heads, head_dim, qk_norm, attention_out_bias, short_conv.")]
    [InlineData("\"intermediate_size\": 14", "\"intermediate_size\": \"x\"", "layers[1].channel_mixer.intermediate_size is \"x\"; a whole number is wanted.")]
    [InlineData("\"up\": {", "\"top\": {", "layers[1].channel_mixer: There is no linear layer 'top' to place a convolution on in feed_forward; it has gate, up, down.")]
    public void What_does_not_fit_in_a_list_of_layers_is_named(string text, string instead, string message)
    {
        string json = ConfigurationFile.ToJson(TinyModels.Shape("mixed"));
        int at = json.IndexOf(text, StringComparison.Ordinal);
        string changed = string.Concat(json.AsSpan(0, at), instead, json.AsSpan(at + text.Length));

        DynConvException failure = Assert.Throws<DynConvException>(() => ConfigurationFile.Parse(changed));
        Assert.Equal(message, failure.Message);
    }

    [Fact]
    public void Keys_that_are_missing_have_Llamas_defaults()
    {
        ModelConfiguration shape = ConfigurationFile.Parse(Minimal);

        var attention = (AttentionConfiguration)shape.Layers[0].Sequence;
        Assert.Equal(4, attention.KeyValueHeads);
        Assert.Equal(16, attention.HeadDimension);
        Assert.Equal(2048, shape.MaxPositions);
        Assert.Equal(1e-6, shape.NormEpsilon);
        Assert.Equal(10_000, attention.Rope!.Theta);
        Assert.False(shape.TiedEmbeddings);
        Assert.False(attention.QkNorm);
        Assert.Empty(shape.Convolutions);
    }

    [Fact]
    public void Keys_that_are_null_count_as_missing() => Assert.Equal(
        ConfigurationFile.Parse(Minimal),
        ConfigurationFile.Parse(With("""
            "rope_scaling": null, "head_dim": null, "num_key_value_heads": null, "attention_bias": null, "model_type": null
            """)));

    [Theory]
    [InlineData(""" "rope_theta": 500000.0 """, 500_000, false)]
    [InlineData(""" "rope_parameters": {"rope_type": "default", "rope_theta": 70000} """, 70_000, false)]
    [InlineData(""" "rope_theta": 1, "rope_parameters": {"rope_theta": 70000} """, 70_000, false)]
    [InlineData(""" "rope_theta": 500000, "rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 8192} """, 500_000, true)]
    [InlineData(""" "rope_theta": 500000, "rope_scaling": {"type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192} """, 500_000, true)]
    [InlineData(""" "rope_parameters": {"rope_type": "llama3", "rope_theta": 500000, "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 8192} """, 500_000, true)]
    public void Old_and_new_keys_of_the_rotary_embedding_are_read(string keys, double theta, bool scaled)
    {
        RopeConfiguration rope = ((AttentionConfiguration)ConfigurationFile.Parse(With(keys)).Layers[0].Sequence).Rope!;

        Assert.Equal(theta, rope.Theta);
        Assert.Equal(scaled ? new Llama3RopeScaling(8, 1, 4, 8192) : null, rope.Scaling);
    }

    [Fact]
    public void Llama_3_scaling_leaves_short_wavelengths_and_stretches_long_ones()
    {
        var rope = new RopeConfiguration { Theta = 500_000, Scaling = new Llama3RopeScaling(8, 1, 4, 8192) };

        double[] plain = new RopeConfiguration { Theta = 500_000 }.Frequencies(128);
        double[] scaled = rope.Frequencies(128);

        for (int i = 0; i < plain.Length; i++)
        {
            double turns = 8192 * plain[i] / (2 * Math.PI);
            double smooth = Math.Clamp((turns - 1) / 3, 0, 1);
            Assert.Equal(plain[i] * (smooth + ((1 - smooth) / 8)), scaled[i], 1e-15);
        }

        Assert.Equal(plain[0], scaled[0]);
        Assert.Equal(plain[^1] / 8, scaled[^1]);
        Assert.Contains(Enumerable.Range(0, 64), i => scaled[i] < plain[i] * 0.99 && scaled[i] > plain[i] / 8 * 1.01);
    }

    [Theory]
    [InlineData(""" "hidden_size": "64" """, "hidden_size is \"64\"; a whole number is wanted.")]
    [InlineData(""" "hidden_size": 64.5 """, "hidden_size is 64.5; a whole number is wanted.")]
    [InlineData(""" "hidden_size": null """, "hidden_size is missing.")]
    [InlineData(""" "hidden_size": 0, "head_dim": 8 """, "hidden_size is 0; it has to be at least 1.")]
    [InlineData(""" "hidden_size": 2000000000, "head_dim": 8 """, "hidden_size is 2000000000; it has to be at least 1, and 1048576 at most.")]
    [InlineData(""" "num_attention_heads": 536870914, "head_dim": 8 """, "num_attention_heads times head_dim is 4294967312; it has to be at least 1, and 1048576 at most.")]
    [InlineData(""" "model_type": "mistral", "num_key_value_heads": 2, "sliding_window": -1 """, "sliding_window is -1; it has to be at least 1.")]
    [InlineData(""" "num_hidden_layers": -1 """, "num_hidden_layers is -1; it has to be at least 1.")]
    [InlineData(""" "num_hidden_layers": 2000000000 """, "num_hidden_layers is 2000000000; it can be 10000 at most.")]
    [InlineData(""" "tie_word_embeddings": 1 """, "tie_word_embeddings is 1; true or false is wanted.")]
    [InlineData(""" "hidden_act": "gelu" """, "hidden_act is 'gelu'; only 'silu' is computed here.")]
    [InlineData(""" "attention_bias": "qkv" """, "attention_bias is \"qkv\"; true or false is wanted.")]
    [InlineData(""" "model_type": "mixtral" """, "model_type is 'mixtral'; llama, qwen3, qwen2, mistral, mamba2, gated_deltanet, dynconv_llama and dynconv can be read.")]
    [InlineData(""" "layer_types": ["full_attention", "linear_attention"] """, "layer_types has 'linear_attention'; full_attention and sliding_attention can be computed.")]
    [InlineData(""" "partial_rotary_factor": 0.5 """, "partial_rotary_factor is 0.5; only the rotation of whole heads is computed here.")]
    [InlineData(""" "rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.25} """, "partial_rotary_factor is 0.25; only the rotation of whole heads is computed here.")]
    [InlineData(""" "rope_scaling": {"type": "dynamic", "partial_rotary_factor": 0.5}, "rope_parameters": {"rope_theta": 10} """, "rope_parameters are of type 'default', and rope_scaling is of type 'dynamic'; one of them has to go.")]
    [InlineData(""" "rope_parameters": {"full_attention": {"rope_theta": 10}} """, "The rotary embedding has parameters for full_attention; only one for all layers is computed here.")]
    [InlineData(""" "short_conv": {"kind": "static", "width": 4, "placement": ["q"], "residul": false} """, "There is no setting short_conv.residul; there can be kind, width, rank, head_size, residual, placement.")]
    [InlineData(""" "model_type": "dynconv", "layers": [] """, "intermediate_size stands beside layers; here it belongs to the mixers in them.")]
    [InlineData(""" "position_embedding_type": "alibi" """, "position_embedding_type is 'alibi'; rope and nope can be computed.")]
    [InlineData(""" "rope_scaling": {"type": "linear", "factor": 2} """, "rope_type is 'linear'; default and llama3 can be read.")]
    [InlineData(""" "rope_scaling": {"type": "llama3"} """, "rope_scaling.factor is missing.")]
    [InlineData(""" "rope_scaling": "llama3" """, "rope_scaling is \"llama3\"; an object is wanted.")]
    [InlineData(""" "rope_scaling": {"type": "llama3", "factor": 0, "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 64} """, "rope_scaling.factor is 0; it has to be above 0.")]
    [InlineData(""" "rope_scaling": {"type": "llama3", "factor": 2, "low_freq_factor": 4, "high_freq_factor": 4, "original_max_position_embeddings": 64} """, "rope_scaling has low_freq_factor 4 and high_freq_factor 4; the low one has to be above 0 and below the high one.")]
    [InlineData(""" "rope_scaling": {"factor": 2} """, "rope_scaling has no rope_type; default and llama3 can be read.")]
    [InlineData(""" "rope_scaling": {} """, "rope_scaling has no rope_type; default and llama3 can be read.")]
    [InlineData(""" "rope_parameters": {"rope_theta": 10, "factor": 2} """, "rope_parameters has no rope_type; default and llama3 can be read.")]
    [InlineData(""" "rope_theta": 0 """, "rope_theta is 0; it has to be above 0.")]
    [InlineData(""" "rms_norm_eps": -1 """, "rms_norm_eps is -1; it has to be at least 0 and below 1.")]
    [InlineData(""" "num_attention_heads": 5 """, "num_attention_heads 5 does not divide hidden_size 64, and head_dim is missing.")]
    [InlineData(""" "num_attention_heads": 0 """, "num_attention_heads 0 does not divide hidden_size 64, and head_dim is missing.")]
    [InlineData(""" "num_key_value_heads": 3 """, "num_key_value_heads 3 does not divide num_attention_heads 4.")]
    [InlineData(""" "head_dim": 7 """, "head_dim is 7; the rotary embedding needs an even number.")]
    [InlineData(""" "short_conv": {} """, "short_conv.kind is missing.")]
    [InlineData(""" "short_conv": {"kind": "gated"} """, "'gated' is no kind of convolution; use static, headwise or lowrank.")]
    [InlineData(""" "short_conv": {"kind": "static", "width": 17, "placement": ["q"]} """, "A convolution's width is 17; it can be 1 to 16.")]
    [InlineData(""" "short_conv": {"kind": "static", "width": 0, "placement": ["q"]} """, "A convolution's width is 0; it can be 1 to 16.")]
    [InlineData(""" "short_conv": {"kind": "lowrank", "width": 4, "rank": 0, "placement": ["q"]} """, "A low-rank convolution's rank is 0; it has to be at least 1.")]
    [InlineData(""" "short_conv": {"kind": "headwise", "width": 4, "head_size": 0, "placement": ["q"]} """, "A head-wise convolution's head size is 0; it has to be at least 1.")]
    [InlineData(""" "short_conv": {"kind": "headwise", "width": 4, "head_size": 5, "placement": ["q", "gate"]} """, "Head size 5 does not divide the 64 channels of q; 1, 2, 4, 8, 16, 32 do.")]
    [InlineData(""" "short_conv": {"kind": "static", "width": 4, "placement": "qkv"} """, "short_conv.placement is \"qkv\"; a list of texts is wanted.")]
    [InlineData(""" "short_conv": {"kind": "static", "width": 4, "placement": ["x"]} """, "There is no linear layer 'x' to place a convolution on; use qkv, all, or some of q, k, v, o, gate, up, down.")]
    [InlineData(""" "short_conv": {"kind": "static", "width": 4, "placement": []} """, "A convolution needs a placement: qkv, all, or some of q, k, v, o, gate, up, down.")]
    public void What_does_not_fit_is_named_in_one_sentence(string keys, string message)
    {
        DynConvException failure = Assert.ThrowsAny<DynConvException>(() => ConfigurationFile.Parse(With(keys)));
        Assert.Equal(message, failure.Message);
    }

    [Theory]
    [InlineData("[1]", "A JSON object is wanted here.")]
    [InlineData("{\"vocab_size\": 1, \"vocab_size\": 2}", "is not valid JSON")]
    [InlineData("{\"vocab_size\": 1", "is not valid JSON")]
    [InlineData("", "is not valid JSON")]
    [InlineData("{\"model_type\": \"\\ud800\"}", "model_type is not valid Unicode")]
    [InlineData("{\"rope_scaling\": {\"type\": \"\\udfff\"}}", "rope_scaling.type is not valid Unicode")]
    [InlineData("{\"layers\": [1, {\"\\ud800\": 1}]}", "A key in layers is not valid Unicode")]
    [InlineData("{\"architectures\": [\"\\ud800\"]}", "architectures is not valid Unicode")]
    [InlineData("{\n\"vocab_size\": 1,\n]", "is not valid JSON: line 3, byte 1.")]
    public void A_message_about_a_file_begins_with_its_path(string text, string message)
    {
        using var folder = new TemporaryFolder();
        string path = folder.Write("config.json", text);

        DynConvException failure = Assert.Throws<DynConvException>(() => ConfigurationFile.Read(path));
        Assert.StartsWith(path, failure.Message);
        Assert.Contains(message, failure.Message);
        Assert.DoesNotContain('\n', failure.Message);
    }

    [Fact]
    public void A_file_that_is_not_there_is_named()
    {
        DynConvException failure = Assert.Throws<DynConvException>(() => ConfigurationFile.Read("nowhere/config.json"));
        Assert.StartsWith("nowhere/config.json cannot be read", failure.Message);
    }

    [Theory]
    [InlineData("qkv", "q,k,v")]
    [InlineData(" all ", "q,k,v,o,gate,up,down")]
    [InlineData("down, q,gate", "q,gate,down")]
    [InlineData("v,v", "v")]
    public void Placements_are_put_in_the_order_of_a_block(string text, string placement) =>
        Assert.Equal(placement.Split(','), TinyModels.Plain.WithConvolutions(new ShortConvolutionConfiguration(), text).Convolutions.Select(placed => placed.Layer));

    private static Gen<ModelConfiguration> Shapes =>
        from kind in Gen.Elements<ShortConvolutionKind?>(null, ShortConvolutionKind.Static, ShortConvolutionKind.HeadWise, ShortConvolutionKind.LowRank)
        from placement in Gen.SubListOf<string>(TinyModels.Plain.LinearLayers).Where(list => list.Count > 0)
        from width in Gen.Choose(1, 16)
        from rank in Gen.Choose(1, 200)
        from groups in Gen.Choose(1, 4)
        from sizes in Gen.Choose(1, 50).ArrayOf(6)
        from flags in Gen.Elements(true, false).ArrayOf(9)
        from theta in Gen.Elements(1.5, 10_000.0, 500_000.0, 1e6 / 3)
        from epsilon in Gen.Elements(1e-5, 1e-6, 0, 1.0 / 3)
        let attention = new AttentionConfiguration
        {
            Heads = sizes[4] * groups,
            KeyValueHeads = sizes[4],
            HeadDimension = sizes[5] * 2,
            QkNorm = flags[1],
            QkvBias = flags[4],
            OutputBias = flags[5],
            Rope = flags[7] ? null : new RopeConfiguration
            {
                Theta = theta,
                Scaling = flags[2] ? new Llama3RopeScaling(8, 1, 4 + epsilon, sizes[1]) : null,
            },
        }
        let convolution = kind is null ? null : new ShortConvolutionConfiguration
        {
            Kind = kind.Value,
            Width = width,
            Rank = rank,
            HeadSize = 2,
            Residual = flags[3],
        }
        let alike = new ModelConfiguration
        {
            VocabularySize = sizes[0],
            HiddenSize = sizes[1] * 2,
            MaxPositions = sizes[0] * 100,
            NormEpsilon = epsilon,
            TiedEmbeddings = flags[0],
            Layers = LayerConfiguration.Repeat(
                sizes[3], attention, new FeedForwardConfiguration { IntermediateSize = sizes[2] * 2, Bias = flags[6] }),
        }.WithConvolutions(convolution, placement)
        select flags[8] ? alike with { Layers = [.. alike.Layers, .. alike.WithConvolutions(null).Layers] } : alike;

    /// <summary>The minimal file with keys set, in place of those of the same name.</summary>
    private static string With(string keys)
    {
        JsonObject root = JsonNode.Parse(Minimal)!.AsObject();
        foreach ((string key, JsonNode? value) in JsonNode.Parse($"{{{keys}}}")!.AsObject())
        {
            root[key] = value?.DeepClone();
        }

        return root.ToJsonString();
    }
}
