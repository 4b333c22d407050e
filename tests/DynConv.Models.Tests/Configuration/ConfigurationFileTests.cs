using System.Text.Json.Nodes;
using DynConv.Models.Tests.Tokenizers;
using FsCheck;
using FsCheck.Fluent;

namespace DynConv.Models.Tests.Configuration;

public sealed class ConfigurationFileTests
{
    private static readonly IReadOnlyList<string> AnyPlacement = ["q"];

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
        Assert.Equal(Flat(shape), Flat(read));
        Assert.Equal(shape.ShortConvolution?.Placement ?? [], read.ShortConvolution?.Placement ?? []);
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
    [InlineData("lowrank qkv")]
    [InlineData("none qknorm")]
    public void What_other_tools_would_leave_out_is_not_called_a_llama(string variant)
    {
        JsonNode json = JsonNode.Parse(ConfigurationFile.ToJson(TinyModels.Shape(variant)))!;

        Assert.Equal("dynconv_llama", (string?)json["model_type"]);
        Assert.Equal(["DynConvLlamaForCausalLM"], json["architectures"]!.AsArray().Select(name => (string?)name));
    }

    [Fact]
    public void Keys_that_are_missing_have_Llamas_defaults()
    {
        ModelConfiguration shape = ConfigurationFile.Parse(Minimal);

        Assert.Equal(4, shape.KeyValueHeads);
        Assert.Equal(16, shape.HeadDimension);
        Assert.Equal(2048, shape.MaxPositions);
        Assert.Equal(1e-6, shape.NormEpsilon);
        Assert.Equal(10_000, shape.Rope.Theta);
        Assert.False(shape.TiedEmbeddings);
        Assert.False(shape.QkNorm);
        Assert.Null(shape.ShortConvolution);
    }

    [Fact]
    public void Keys_that_are_null_count_as_missing() => Assert.Equal(
        Flat(ConfigurationFile.Parse(Minimal)),
        Flat(ConfigurationFile.Parse(With("""
            "rope_scaling": null, "head_dim": null, "num_key_value_heads": null, "attention_bias": null, "model_type": null
            """))));

    [Theory]
    [InlineData(""" "rope_theta": 500000.0 """, 500_000, false)]
    [InlineData(""" "rope_parameters": {"rope_type": "default", "rope_theta": 70000} """, 70_000, false)]
    [InlineData(""" "rope_theta": 1, "rope_parameters": {"rope_theta": 70000} """, 70_000, false)]
    [InlineData(""" "rope_theta": 500000, "rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 8192} """, 500_000, true)]
    [InlineData(""" "rope_theta": 500000, "rope_scaling": {"type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192} """, 500_000, true)]
    [InlineData(""" "rope_parameters": {"rope_type": "llama3", "rope_theta": 500000, "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 8192} """, 500_000, true)]
    public void Old_and_new_keys_of_the_rotary_embedding_are_read(string keys, double theta, bool scaled)
    {
        RopeConfiguration rope = ConfigurationFile.Parse(With(keys)).Rope;

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
    [InlineData(""" "tie_word_embeddings": 1 """, "tie_word_embeddings is 1; true or false is wanted.")]
    [InlineData(""" "hidden_act": "gelu" """, "hidden_act is 'gelu'; only 'silu' is computed here.")]
    [InlineData(""" "attention_bias": true """, "attention_bias is true; linear layers have no bias here.")]
    [InlineData(""" "mlp_bias": true """, "mlp_bias is true; linear layers have no bias here.")]
    [InlineData(""" "model_type": "mistral" """, "model_type is 'mistral'; llama and dynconv_llama can be read.")]
    [InlineData(""" "rope_scaling": {"type": "linear", "factor": 2} """, "rope_type is 'linear'; default and llama3 can be read.")]
    [InlineData(""" "rope_scaling": {"type": "llama3"} """, "rope_scaling.factor is missing.")]
    [InlineData(""" "rope_scaling": "llama3" """, "rope_scaling is \"llama3\"; an object is wanted.")]
    [InlineData(""" "rope_scaling": {"type": "llama3", "factor": 0, "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 64} """, "rope_scaling.factor is 0; it has to be above 0.")]
    [InlineData(""" "rope_scaling": {"type": "llama3", "factor": 2, "low_freq_factor": 4, "high_freq_factor": 4, "original_max_position_embeddings": 64} """, "rope_scaling has low_freq_factor 4 and high_freq_factor 4; the low one has to be above 0 and below the high one.")]
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
        DynConvException failure = Assert.Throws<DynConvException>(() => ConfigurationFile.Parse(With(keys)));
        Assert.Equal(message, failure.Message);
    }

    [Theory]
    [InlineData("[1]", "A JSON object is wanted here.")]
    [InlineData("{\"vocab_size\": 1, \"vocab_size\": 2}", "is not valid JSON")]
    [InlineData("{\"vocab_size\": 1", "is not valid JSON")]
    [InlineData("", "is not valid JSON")]
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
        Assert.Equal(placement.Split(','), ShortConvolutionConfiguration.ParsePlacement(text));

    private static Gen<ModelConfiguration> Shapes =>
        from kind in Gen.Elements<ShortConvolutionKind?>(null, ShortConvolutionKind.Static, ShortConvolutionKind.HeadWise, ShortConvolutionKind.LowRank)
        from placement in Gen.SubListOf<string>(ShortConvolutionConfiguration.LinearLayers).Where(list => list.Count > 0)
        from width in Gen.Choose(1, 16)
        from rank in Gen.Choose(1, 200)
        from groups in Gen.Choose(1, 4)
        from sizes in Gen.Choose(1, 50).ArrayOf(6)
        from flags in Gen.Elements(true, false).ArrayOf(4)
        from theta in Gen.Elements(1.5, 10_000.0, 500_000.0, 1e6 / 3)
        from epsilon in Gen.Elements(1e-5, 1e-6, 0, 1.0 / 3)
        select new ModelConfiguration
        {
            VocabularySize = sizes[0],
            HiddenSize = sizes[1] * 2,
            IntermediateSize = sizes[2] * 2,
            Layers = sizes[3],
            AttentionHeads = sizes[4] * groups,
            KeyValueHeads = sizes[4],
            HeadDimension = sizes[5] * 2,
            MaxPositions = sizes[0] * 100,
            NormEpsilon = epsilon,
            TiedEmbeddings = flags[0],
            QkNorm = flags[1],
            Rope = new RopeConfiguration
            {
                Theta = theta,
                Scaling = flags[2] ? new Llama3RopeScaling(8, 1, 4 + epsilon, sizes[1]) : null,
            },
            ShortConvolution = kind is null ? null : new ShortConvolutionConfiguration
            {
                Kind = kind.Value,
                Width = width,
                Rank = rank,
                HeadSize = 2,
                Placement = [.. ShortConvolutionConfiguration.LinearLayers.Where(placement.Contains)],
                Residual = flags[3],
            },
        };

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

    // Records compare lists by reference, so that all get the same one here.
    private static ModelConfiguration Flat(ModelConfiguration shape) => shape.ShortConvolution is { } convolution
        ? shape with { ShortConvolution = convolution with { Placement = AnyPlacement } }
        : shape;
}
