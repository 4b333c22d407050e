using System.Text.Json.Nodes;
using DynConv.Models.Layers;
using DynConv.Modules;

namespace DynConv.Models.Tests.Layers;

public sealed class RecurrentMixerTests
{
    private const string Mamba = """
        {
          "model_type": "mamba2", "vocab_size": 61, "hidden_size": 32, "num_hidden_layers": 2, "num_heads": 4, "head_dim": 16,
          "state_size": 20, "n_groups": 2, "expand": 2, "KEY": VALUE
        }
        """;

    private const string Delta = """
        { "model_type": "gated_deltanet", "vocab_size": 61, "hidden_size": 96, "num_hidden_layers": 3, "num_heads": 2, "head_dim": 8, "KEY": VALUE }
        """;

    [Fact]
    public void Without_settings_a_mixer_has_about_the_parameters_of_attention()
    {
        foreach (int hidden in new[] { 128, 384, 768, 1024, 1280, 1536, 2048 })
        {
            foreach (string kind in new[] { "gdn", "mamba2" })
            {
                MixerConfiguration mixer = MixerKinds.BuiltIn.Read(new JsonSection(new JsonObject { ["type"] = kind }), MixerRole.Sequence, hidden);
                long parameters = mixer.Count(hidden, 1).Sum(part => part.Parameters);
                Assert.InRange(parameters / (4.0 * hidden * hidden), 0.98, 1.08);
            }
        }

        // The shapes that the paper's group trains.
        GatedDeltaNetConfiguration[] delta = [.. new[] { 1024, 1536 }.Select(hidden => Read<GatedDeltaNetConfiguration>("gdn", hidden))];
        Assert.Equal([(2, 256, 512), (3, 256, 512)], delta.Select(one => (one.Heads, one.KeyDimension, one.ValueDimension)));
    }

    [Fact]
    public void Recurrences_start_in_the_ranges_of_their_papers_and_do_not_decay()
    {
        using var model = new LanguageModel(Presets.Get("nano-mamba2") with
        {
            Layers = [.. Presets.Get("nano-mamba2").Layers, .. Presets.Get("nano-gdn").Layers],
        });
        Dictionary<string, Parameter> parameters = model.NamedParameters().ToDictionary();
        float[] Values(string name) => [.. parameters.Where(pair => pair.Key.EndsWith(name, StringComparison.Ordinal)).SelectMany(pair =>
        {
            Assert.Equal(ParameterKind.Recurrence, pair.Value.Kind);
            return pair.Value.Tensor.ToArray<float>();
        })];

        Assert.All(Values("mamba.A_log"), value => Assert.InRange(Math.Exp(value), 1, 16));
        Assert.All(Values("linear_attn.A_log"), value => Assert.InRange(Math.Exp(value), 0, 16));
        Assert.All(Values("mamba.D"), value => Assert.Equal(1, value));
        double[] steps = [.. Values("dt_bias").Select(value => Math.Log(1 + Math.Exp(value)))];
        Assert.All(steps, step => Assert.InRange(step, 0.000999, 0.1001));
        Assert.Equal((4 * 5) + (4 * 2), steps.Distinct().Count());
        Assert.InRange(steps.Average(Math.Log), Math.Log(0.001) + 1, Math.Log(0.1) - 1);
    }

    [Fact]
    public void The_convolutions_of_a_recurrence_stay_where_no_others_are_placed()
    {
        var dynamic = new ShortConvolutionConfiguration { Rank = 2 };
        ModelConfiguration delta = Presets.Get("nano-gdn");
        Assert.Equal(["q", "k", "v"], delta.Convolutions.Select(placed => placed.Layer));
        Assert.Equal(delta, delta.WithConvolutions(dynamic).WithConvolutions(null));
        Assert.Equal(
            [("q", ShortConvolutionKind.Static), ("k", ShortConvolutionKind.Static), ("v", ShortConvolutionKind.LowRank)],
            delta.WithConvolutions(dynamic, "v").Convolutions.Select(placed => (placed.Layer, placed.Convolution.Kind)));

        ModelConfiguration mamba = Presets.Get("nano-mamba2");
        Assert.Equal(mamba.WithConvolutions(dynamic, "xbc"), mamba.WithConvolutions(dynamic, "qkv"));
        ModelConfiguration none = mamba with
        {
            Layers = [.. mamba.Layers.Select(layer => layer with { Sequence = layer.Sequence with { Convolutions = [] } })],
        };
        Assert.Equal(none, ConfigurationFile.Parse(ConfigurationFile.ToJson(none)));
        Assert.Empty(none.Convolutions);
    }

    [Fact]
    public void Operations_are_counted_by_hand()
    {
        Dictionary<string, long> delta = FlopCounts.Of(Presets.Get("nano-gdn"), 64).Parts.ToDictionary();
        Assert.Equal(4 * 2 * 3 * 2 * 32 * 64, delta["gated delta rule"]);
        Assert.Equal(4 * 2 * 128 * (64 + 64 + 128 + 2 + 2 + 128 + 128), delta["Gated DeltaNet"]);
        Assert.Equal(4 * 2 * 4 * (64 + 64 + 128), delta["short convolutions"]);

        Dictionary<string, long> mamba = FlopCounts.Of(Presets.Get("nano-mamba2"), 64).Parts.ToDictionary();
        Assert.Equal(4 * 2 * 2 * 160 * 16, mamba["state space duality"]);
        Assert.Equal(4 * 2 * 128 * (160 + 160 + 32 + 5 + 160), mamba["Mamba-2"]);
    }

    [Theory]
    [InlineData("gdn", "{num_heads: 2, num_v_heads: 3}", "num_heads 2 does not divide num_v_heads 3.")]
    [InlineData("gdn", "{head_dim: 0}", "head_dim is 0; it has to be at least 1.")]
    [InlineData("gdn", "{num_heads: 0}", "num_heads is 0; it has to be at least 1.")]
    [InlineData("mamba2", "{num_heads: 5, n_groups: 2}", "n_groups 2 does not divide num_heads 5.")]
    [InlineData("mamba2", "{head_dim: 0}", "head_dim is 0; it has to be at least 1.")]
    [InlineData("mamba2", "{num_heads: 0}", "num_heads is 0; it has to be at least 1.")]
    public void Numbers_that_make_no_mixer_are_refused(string kind, string settings, string message)
    {
        JsonObject section = JsonNode.Parse(settings.Replace("{", "{\"", StringComparison.Ordinal).Replace(":", "\":", StringComparison.Ordinal)
            .Replace(", ", ", \"", StringComparison.Ordinal))!.AsObject();
        section["type"] = kind;
        DynConvException failure = Assert.Throws<DynConvException>(
            () => MixerKinds.BuiltIn.Read(new JsonSection(section), MixerRole.Sequence, 128));
        Assert.EndsWith(message, failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("time_step_limit", "[0.0, Infinity]")]
    [InlineData("time_step_limit", """[0.0, {"__float__": "Infinity"}]""")]
    [InlineData("bos_token", "\"Infinity \\\" Infinity\"")]
    [InlineData("conv_kernel", "3")]
    public void A_Mamba_of_transformers_is_read_and_written_again(string key, string value)
    {
        ModelConfiguration model = ConfigurationFile.Parse(With(Mamba, key, value));
        var mamba = (Mamba2Configuration)model.Layers[1].Sequence;
        Assert.Equal((4, 16, 20, 2, 64), (mamba.Heads, mamba.HeadDimension, mamba.StateSize, mamba.Groups, mamba.InnerSize));
        Assert.Equal(key == "conv_kernel" ? 3 : 4, mamba.Convolutions.Single().Convolution.Width);
        Assert.Null(model.Layers[0].Channel);
        Assert.Equal(1e-5, model.NormEpsilon);

        string written = ConfigurationFile.ToJson(model);
        Assert.Equal("mamba2", (string?)JsonNode.Parse(written)!["model_type"]);
        Assert.Equal(model, ConfigurationFile.Parse(written));
    }

    [Theory]
    [InlineData("time_step_limit", "[0.001, 0.1]", "time_step_limit is 0.001 to 0.1; only step sizes without limits are computed here.")]
    [InlineData("time_step_limit", "[0.0]", "time_step_limit is [0.0]; a list of two numbers is wanted.")]
    [InlineData("time_step_limit", "[0.0, \"Infinity\"]", "time_step_limit is [0.0,\"Infinity\"]; a list of two numbers is wanted.")]
    [InlineData("rms_norm", "false", "rms_norm is false; only the gated norm behind the recurrence is computed here.")]
    [InlineData("hidden_act", "\"gelu\"", "hidden_act is 'gelu'; only 'silu' is computed here.")]
    public void A_Mamba_of_another_make_is_refused(string key, string value, string message) => Assert.Equal(
        message, Assert.Throws<DynConvException>(() => ConfigurationFile.Parse(With(Mamba, key, value))).Message);

    [Fact]
    public void An_inner_size_that_no_whole_factor_makes_is_written_as_our_own()
    {
        Assert.Equal(
            "expand 3 times hidden_size 32 is not num_heads 4 times head_dim 16.",
            Assert.Throws<DynConvException>(() => ConfigurationFile.Parse(Mamba.Replace("\"expand\": 2, \"KEY\": VALUE", "\"expand\": 3", StringComparison.Ordinal))).Message);
        ModelConfiguration model = Presets.Get("300m-mamba2");
        model = model with { Layers = [.. model.Layers.Select(layer => layer with { Channel = null })] };
        Assert.Equal("dynconv", (string?)JsonNode.Parse(ConfigurationFile.ToJson(model))!["model_type"]);
        Assert.Equal(model, ConfigurationFile.Parse(ConfigurationFile.ToJson(model)));
    }

    [Theory]
    [InlineData("expand_v", "1.5")]
    [InlineData("num_v_heads", "4")]
    [InlineData("use_gate", "false")]
    [InlineData("allow_neg_eigval", "true")]
    [InlineData("use_short_conv", "false")]
    [InlineData("conv_size", "2")]
    [InlineData("attn", "null")]
    [InlineData("attn", """{"layers": [1], "num_heads": 6, "num_kv_heads": 3, "qkv_bias": true, "window_size": null, "rope_theta": 500000.0}""")]
    public void A_Gated_DeltaNet_of_flash_linear_attention_is_read_and_written_again(string key, string value)
    {
        ModelConfiguration model = ConfigurationFile.Parse(With(Delta, key, value));
        var delta = (GatedDeltaNetConfiguration)model.Layers[0].Sequence;
        Assert.Equal((2, 8), (delta.Heads, delta.KeyDimension));
        Assert.Equal((key, value) is ("expand_v", _) ? 12 : 16, delta.ValueDimension);
        Assert.Equal(key == "num_v_heads" ? 4 : 2, delta.ValueHeads);
        Assert.Equal(key != "use_gate", delta.Gate);
        Assert.Equal(key == "allow_neg_eigval", delta.NegativeEigenvalues);
        Assert.Equal(key switch { "use_short_conv" => [], "conv_size" => [2, 2, 2], _ => [4, 4, 4] }, delta.Convolutions.Select(placed => placed.Convolution.Width));
        Assert.Equal(256, ((FeedForwardConfiguration)model.Layers[0].Channel!).IntermediateSize);
        Assert.Equal(value.Contains("rope", StringComparison.Ordinal), model.Layers[1].Sequence is AttentionConfiguration { KeyValueHeads: 3, HeadDimension: 16, QkvBias: true, Rope.Theta: 500_000 });

        string written = ConfigurationFile.ToJson(model);
        Assert.Equal("gated_deltanet", (string?)JsonNode.Parse(written)!["model_type"]);
        Assert.Equal(model, ConfigurationFile.Parse(written));
    }

    [Theory]
    [InlineData("attn", """{"layers": [1], "num_heads": 5}""", "attn.num_heads 5 does not divide hidden_size 96.")]
    [InlineData("attn", """{"layers": [1], "num_heads": 6, "window_size": 8}""", "attn.window_size is 8; only attention to all earlier tokens is computed here.")]
    [InlineData("attn", """{"num_heads": 6}""", "attn.layers is missing.")]
    [InlineData("hidden_act", "\"relu\"", "hidden_act is 'relu'; only 'swish' is computed here.")]
    public void A_Gated_DeltaNet_of_another_make_is_refused(string key, string value, string message) => Assert.Equal(
        message, Assert.Throws<DynConvException>(() => ConfigurationFile.Parse(With(Delta, key, value))).Message);

    [Fact]
    public void Settings_that_flash_linear_attention_has_no_words_for_are_written_as_our_own()
    {
        ModelConfiguration model = TinyModels.Shape("gdn");
        ModelConfiguration first = model with
        {
            Layers = [.. model.Layers.Select(layer => layer with { Sequence = (GatedDeltaNetConfiguration)layer.Sequence with { GateFirst = true } })],
        };
        Assert.Equal("gated_deltanet", (string?)JsonNode.Parse(ConfigurationFile.ToJson(model))!["model_type"]);
        Assert.Equal("dynconv", (string?)JsonNode.Parse(ConfigurationFile.ToJson(first))!["model_type"]);
        Assert.Equal(first, ConfigurationFile.Parse(ConfigurationFile.ToJson(first)));
    }

    private static TMixer Read<TMixer>(string kind, int hidden)
        where TMixer : MixerConfiguration =>
        (TMixer)MixerKinds.BuiltIn.Read(new JsonSection(new JsonObject { ["type"] = kind }), MixerRole.Sequence, hidden);

    private static string With(string json, string key, string value) =>
        json.Replace("KEY", key, StringComparison.Ordinal).Replace("VALUE", value, StringComparison.Ordinal);
}
