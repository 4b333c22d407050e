using DynConv.Models;
using DynConv.Models.Layers;
using DynConv.Modules;

namespace DynConv.Training.Tests.Configuration;

public sealed class TrainingConfigurationTests
{
    [Theory]
    [InlineData("nano", 256, 16, 3e-3, 600)]
    [InlineData("micro", 256, 12, 1e-3, 2000)]
    public void A_preset_brings_its_defaults(string preset, int context, int batch, double learningRate, long steps)
    {
        TrainingConfiguration resolved = new TrainingConfiguration { Preset = preset }.Resolve();

        Assert.Equal(context, resolved.Context);
        Assert.Equal(batch, resolved.Batch);
        Assert.Equal(learningRate, resolved.LearningRate);
        Assert.Equal(steps, resolved.Steps);
        Assert.Equal(steps / 10, resolved.ValidateEvery);
        Assert.Equal(steps / 4, resolved.CheckpointEvery);
    }

    [Fact]
    public void The_papers_models_train_on_fifty_tokens_a_parameter()
    {
        TrainingConfiguration resolved = new TrainingConfiguration { Preset = "300m", Accumulate = 8 }.Resolve();

        Assert.Equal(4096, resolved.Context);
        Assert.Equal(3e-4, resolved.LearningRate);
        double tokens = (double)resolved.Steps!.Value * resolved.Context!.Value * resolved.Batch!.Value * 8;
        Assert.Equal(50, tokens / ParameterCounts.Of(Presets.Get("300m")).Total, 0.01);
    }

    [Fact]
    public void What_is_given_stays_and_resolving_again_changes_nothing()
    {
        var given = new TrainingConfiguration { Context = 8, Batch = 2, Steps = 3, LearningRate = 0.5, ValidateEvery = 0, CheckpointEvery = 0, Device = "cpu", Dtype = "float32", Preset = "nano", Conv = "none", Tokenizer = "bytes" };

        TrainingConfiguration resolved = given.Resolve();

        Assert.Equal(given, resolved);
        Assert.Equal(resolved, resolved.Resolve());
        Assert.Equal(new TrainingConfiguration().Resolve(), new TrainingConfiguration().Resolve().Resolve());
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(48, 1)]
    [InlineData(49, 2)]
    [InlineData(4800, 100)]
    public void Tokens_are_rounded_up_to_whole_steps(long tokens, long steps)
    {
        var configuration = new TrainingConfiguration { Context = 8, Batch = 3, Accumulate = 2, Tokens = tokens };
        TrainingConfiguration resolved = configuration.Resolve();

        Assert.Equal(steps, resolved.Steps);
        Assert.Null(resolved.Tokens);
    }

    public static TheoryData<string, string> OutOfRange => new()
    {
        { "context: 0", "context is 0; it has to be at least 1." },
        { "batch: 0", "batch is 0; it has to be at least 1." },
        { "batch: 2000000000", "A context of 256 times a batch of 2000000000 is 512,000,000,000 tokens at once; it can be 268,435,456 at most, and accumulate makes larger steps." },
        { "accumulate: 0", "accumulate is 0; it has to be at least 1." },
        { "steps: 0", "steps is 0; it has to be at least 1." },
        { "tokens: 0", "tokens is 0; it has to be at least 1." },
        { "steps: 1\ntokens: 1", "A run is as long as its steps or its tokens say; give one of the two." },
        { "learning_rate: -1", "learning_rate is -1; it has to be from 0 to 10." },
        { "warmup: 1.5", "warmup is 1.5; it has to be a share of the run below 1 or a whole number of steps." },
        { "final_learning_rate: 2", "final_learning_rate is 2; it has to be from 0 to 1." },
        { "weight_decay: -0.1", "weight_decay is -0.1; it has to be from 0 to 10." },
        { "optimizer: sgd", "optimizer is 'sgd'; it can be adamw, muon." },
        { "beta1: 1", "beta1 is 1; it has to be from 0 to 0.9999999." },
        { "beta2: -1", "beta2 is -1; it has to be from 0 to 0.9999999." },
        { "epsilon: -1", "epsilon is -1; it has to be from 0 to 1." },
        { "clip_norm: -1", "clip_norm is -1; it has to be from 0 to 1000000000." },
        { "validate_every: -1", "validate_every is -1; it has to be 0 or more." },
        { "checkpoint_every: -1", "checkpoint_every is -1; it has to be 0 or more." },
        { "validation_tokens: 0", "validation_tokens is 0; it has to be at least 1." },
        { "device: tpu", "There is no device 'tpu'; it can be auto, cpu, cuda or, where there are several cards, cuda:1 and so on." },
        { "preset: giant", "There is no preset 'giant'; there are nano, nano-gdn, nano-mamba2, micro, 150m, 300m, 300m-gdn, 300m-mamba2, 600m, 1b, 2b." },
    };

    [Theory]
    [MemberData(nameof(OutOfRange))]
    public void A_number_out_of_range_is_named_with_what_fits(string yaml, string message)
    {
        DynConvException failure = Assert.Throws<DynConvException>(() => RunFile.Parse(yaml).Resolve());
        Assert.Equal(message, failure.Message);
    }

    public static TheoryData<string, string> MisshapenModels => new()
    {
        { "conv: gated", "conv is 'gated'; use none, static, headwise or lowrank." },
        { "placement: x", "There is no linear layer 'x' to place a convolution on; use qkv, all, or some of q, k, v, o, gate, up, down." },
        { "width: 17", "A convolution's width is 17; it can be 1 to 16." },
        { "rank: 0", "A low-rank convolution's rank is 0; it has to be at least 1." },
        { "conv: headwise\nhead_size: 24", "Head size 24 does not divide the 128 channels of q; 1, 2, 4, 8, 16, 32, 64, 128 do." },
        { "model: {attention_heads: 0}", "0 heads do not divide a hidden size of 128; give head_dimension, or a number of heads that does." },
        { "model: {attention_heads: 3}", "3 heads do not divide a hidden size of 128; give head_dimension, or a number of heads that does." },
        { "model: {key_value_heads: 3}", "num_key_value_heads 3 does not divide num_attention_heads 4." },
        { "model: {layers: 0}", "num_hidden_layers is 0; it has to be at least 1." },
        { "model: {head_dimension: 5}", "head_dim is 5; the rotary embedding needs an even number." },
        { "model: {rope_theta: -1}", "rope_theta is -1; it has to be above 0." },
    };

    [Theory]
    [MemberData(nameof(MisshapenModels))]
    public void A_model_that_does_not_fit_together_is_refused(string yaml, string message)
    {
        DynConvException failure = Assert.Throws<DynConvException>(() => RunFile.Parse(yaml).ModelConfiguration());
        Assert.Equal(message, failure.Message);
    }

    [Fact]
    public void The_shape_is_the_presets_with_what_differs()
    {
        ModelConfiguration shape = RunFile.Parse("""
            context: 99
            conv: headwise
            placement: down,k
            head_size: 8
            width: 3
            qk_norm: true
            model: {hidden_size: 64, layers: 3, attention_heads: 4, key_value_heads: 2, rope_theta: 500000, tied_embeddings: false}
            """).ModelConfiguration(1000);

        Assert.Equal(1000, shape.VocabularySize);
        Assert.Equal(64, shape.HiddenSize);
        var attention = (AttentionConfiguration)shape.Layers[0].Sequence;
        Assert.Equal(172, ((FeedForwardConfiguration)shape.Layers[0].Channel!).IntermediateSize);
        Assert.Equal((3, 4, 2, 16), (shape.Layers.Count, attention.Heads, attention.KeyValueHeads, attention.HeadDimension));
        Assert.Equal(99, shape.MaxPositions);
        Assert.Equal(500_000, attention.Rope!.Theta);
        Assert.False(shape.TiedEmbeddings);
        Assert.True(attention.QkNorm);
        var convolution = new ShortConvolutionConfiguration { Kind = ShortConvolutionKind.HeadWise, Width = 3, HeadSize = 8 };
        Assert.Equal([new PlacedConvolution("k", convolution), new PlacedConvolution("down", convolution)], shape.Convolutions);
    }

    [Fact]
    public void A_pattern_of_mixers_repeats_over_the_layers_and_changes_what_its_sections_say()
    {
        ModelConfiguration shape = RunFile.Parse("""
            preset: nano
            conv: lowrank
            placement: q,up
            qk_norm: true
            model:
              layers: 5
              sequence_mixers:
                - attention
                - {type: attention, num_key_value_heads: 2, position_embedding_type: nope, short_conv: {v: {kind: static, width: 3}}}
                - {type: attention, short_conv: {}}
            """).ModelConfiguration();

        AttentionConfiguration[] attention = [.. shape.Layers.Select(layer => (AttentionConfiguration)layer.Sequence)];
        Assert.Equal([4, 2, 4, 4, 2], attention.Select(one => one.KeyValueHeads));
        Assert.Equal([true, false, true, true, false], attention.Select(one => one.Rope is not null));
        Assert.All(attention, one => Assert.True(one.QkNorm));

        // A section's own convolutions stand in place of the settings'.
        Assert.Equal([("q", 4)], attention[0].Convolutions.Select(placed => (placed.Layer, placed.Convolution.Width)));
        Assert.Empty(attention[2].Convolutions);
        Assert.Equal([("v", 3)], attention[1].Convolutions.Select(placed => (placed.Layer, placed.Convolution.Width)));
        Assert.All(shape.Layers, layer => Assert.Equal(["up"], layer.Channel!.Convolutions.Select(placed => placed.Layer)));
    }

    [Theory]
    [InlineData("model: {sequence_mixers: [attention, retention]}", "There is no sequence mixer 'retention'; there are attention, gdn, mamba2.")]
    [InlineData("model: {channel_mixers: [{type: feed_forward, size: 3}]}", "There is no setting channel_mixers[0].size; there can be type, hidden_act, intermediate_size, mlp_bias, short_conv.")]
    [InlineData("model: {sequence_mixers: [{type: attention, head_dim: x}]}", "sequence_mixers[0].head_dim is \"x\"; a whole number is wanted.")]
    [InlineData("model: {sequence_mixers: [attention, {type: attention, num_key_value_heads: 3}]}", "sequence_mixers[1]: num_key_value_heads 3 does not divide num_attention_heads 4.")]
    [InlineData("model: {sequence_mixers: [{type: attention, short_conv: {q: {kind: static, width: 17}}}]}", "sequence_mixers[0]: A convolution's width is 17; it can be 1 to 16.")]
    [InlineData("conv: none\nqk_norm: true\nmodel: {sequence_mixers: [outside]}", "There is no sequence mixer 'outside'; there are attention, gdn, mamba2.")]
    [InlineData("model: {sequence_mixers: []}", "sequence_mixers has 0 mixers; it needs 1 to 10000.")]
    [InlineData("model: {sequence_mixers: [[attention]]}", "sequence_mixers[0].type is [\"attention\"]; a text is wanted.")]
    public void A_pattern_that_makes_no_mixers_is_refused(string yaml, string message)
    {
        DynConvException failure = Assert.Throws<DynConvException>(() => RunFile.Parse(yaml).ModelConfiguration());
        Assert.Equal(message, failure.Message);
    }

    [Fact]
    public void Without_overrides_the_shape_is_the_presets()
    {
        foreach (string preset in Presets.Names)
        {
            var configuration = new TrainingConfiguration { Preset = preset, Conv = "none" };
            Assert.Equal(Presets.Get(preset), configuration.ModelConfiguration());
        }
    }
}
