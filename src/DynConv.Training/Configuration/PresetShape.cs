using DynConv.Models;
using DynConv.Models.Layers;

namespace DynConv.Training;

/// <summary>The shape of a model that is made anew: a preset's, with what the settings change in it.</summary>
/// <param name="settings">Without <see cref="TrainingConfiguration.Init"/>.</param>
internal sealed class PresetShape(TrainingConfiguration settings)
{
    /// <summary>The model's shape, for a vocabulary.</summary>
    /// <param name="vocabularySize">Number of the tokenizer's ids; null for the preset's.</param>
    public ModelConfiguration Make(int? vocabularySize)
    {
        ModelConfiguration preset = Presets.Get(settings.PresetName);
        int hidden = settings.Model.HiddenSize ?? preset.HiddenSize;
        LayerConfiguration[] ordinary = [.. preset.Layers.Select(layer => layer.With(mixer => Adapted(mixer, preset, hidden)))];
        var plain = new PlainMixers(
            Mixers(settings.Model.SequenceMixers, MixerRole.Sequence, ordinary.Select(layer => layer.Sequence)),
            Mixers(settings.Model.ChannelMixers, MixerRole.Channel, ordinary.Select(layer => layer.Channel)));
        ModelConfiguration model = preset with
        {
            VocabularySize = vocabularySize ?? preset.VocabularySize,
            HiddenSize = hidden,
            MaxPositions = settings.Context ?? preset.MaxPositions,
            TiedEmbeddings = settings.Model.TiedEmbeddings ?? preset.TiedEmbeddings,
            Layers = plain.Layers(settings.Model.Layers ?? preset.Layers.Count),
        };
        CheckUsed(model);
        return WithConvolutions(model, plain).Validate();

        IReadOnlyList<(MixerConfiguration? Mixer, bool OwnConvolutions)> Mixers(
            MixerPattern? pattern, MixerRole role, IEnumerable<MixerConfiguration?> mixers) =>
            pattern is null
                ? [.. mixers.Select(mixer => (mixer, false))]
                : [.. pattern.Resolve(settings.Mixers, role, hidden, mixers.OfType<MixerConfiguration>())];
    }

    /// <summary>A preset's mixer with what the settings change in one of its kind.</summary>
    private MixerConfiguration Adapted(MixerConfiguration mixer, ModelConfiguration preset, int hidden) => mixer switch
    {
        AttentionConfiguration attention => Adapted(attention, preset, hidden),
        FeedForwardConfiguration feedForward => feedForward with
        {
            IntermediateSize = settings.Model.IntermediateSize
                ?? (settings.Model.HiddenSize is null ? feedForward.IntermediateSize : Presets.IntermediateSize(hidden)),
        },
        _ => mixer,
    };

    private AttentionConfiguration Adapted(AttentionConfiguration attention, ModelConfiguration preset, int hidden)
    {
        int heads = settings.Model.AttentionHeads ?? attention.Heads;
        return attention with
        {
            Heads = heads,
            KeyValueHeads = settings.Model.KeyValueHeads ?? (settings.Model.AttentionHeads is null ? attention.KeyValueHeads : heads),
            HeadDimension = settings.Model.HeadDimension
                ?? (hidden == preset.HiddenSize && heads == attention.Heads ? attention.HeadDimension
                    : heads > 0 && hidden % heads == 0 ? hidden / heads
                    : throw new DynConvException($"{heads} heads do not divide a hidden size of {hidden}; give head_dimension, or a number of heads that does.")),
            Rope = settings.Model.RopeTheta is { } theta ? (attention.Rope ?? new RopeConfiguration()) with { Theta = theta } : attention.Rope,
            QkNorm = settings.QkNorm || attention.QkNorm,
        };
    }

    /// <summary>A setting of a mixer that no layer has would do nothing.</summary>
    private void CheckUsed(ModelConfiguration model)
    {
        Check<AttentionConfiguration>(
            AttentionConfiguration.Name,
            ("qk_norm", settings.QkNorm),
            ("attention_heads", settings.Model.AttentionHeads is not null),
            ("key_value_heads", settings.Model.KeyValueHeads is not null),
            ("head_dimension", settings.Model.HeadDimension is not null),
            ("rope_theta", settings.Model.RopeTheta is not null));
        Check<FeedForwardConfiguration>(FeedForwardConfiguration.Name, ("intermediate_size", settings.Model.IntermediateSize is not null));

        void Check<TMixer>(string kind, params (string Name, bool IsGiven)[] given)
        {
            if (!model.Layers.SelectMany(layer => layer.Mixers).OfType<TMixer>().Any()
                && Array.Find(given, setting => setting.IsGiven).Name is { } idle)
            {
                throw new DynConvException($"{idle} is given, and no layer has a mixer of the kind {kind} that would use it.");
            }
        }
    }

    /// <summary>The convolutions of the settings, in every mixer that does not say itself which it has.</summary>
    private ModelConfiguration WithConvolutions(ModelConfiguration model, PlainMixers plain)
    {
        if (settings.Convolution() is not { } convolution)
        {
            return model;
        }

        ModelConfiguration everywhere = model.WithConvolutions(convolution, settings.Placement);
        return everywhere with
        {
            Layers = [.. model.Layers.Select((own, i) => plain.Choose(i, own, everywhere.Layers[i]))],
        };
    }

    /// <summary>The mixers that the layers have over and over, before convolutions are placed.</summary>
    private sealed record PlainMixers(
        IReadOnlyList<(MixerConfiguration? Mixer, bool OwnConvolutions)> Sequence,
        IReadOnlyList<(MixerConfiguration? Mixer, bool OwnConvolutions)> Channel)
    {
        public IReadOnlyList<LayerConfiguration> Layers(int count) => LayerConfiguration.Repeat(
            count, [.. Sequence.Select(one => one.Mixer!)], [.. Channel.Select(one => one.Mixer)]);

        /// <summary>Of a layer with its own convolutions and with those of the settings, what each half is to have.</summary>
        public LayerConfiguration Choose(int layer, LayerConfiguration own, LayerConfiguration common) => new(
            Sequence[layer % Sequence.Count].OwnConvolutions ? own.Sequence : common.Sequence,
            Channel[layer % Channel.Count].OwnConvolutions ? own.Channel : common.Channel);
    }
}
