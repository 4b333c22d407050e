using DynConv.Models;
using DynConv.Models.Layers;
using DynConv.Modules;
using DynConv.Training.Data;
using DynConv.Training.Optimization;

namespace DynConv.Training;

/// <summary>
/// All that decides what a run computes. Written in YAML with underscored keys; what a file leaves out has the default
/// given here, and what depends on the preset (null here) is filled in by <see cref="Resolve"/>.
/// </summary>
public sealed record TrainingConfiguration
{
    /// <summary>Files and folders with the text to train on; with <c>:WEIGHT</c> behind each of them, a mixture.</summary>
    public IReadOnlyList<string> Data { get; init; } = [];

    /// <summary>Files and folders with the text to validate on; empty to hold out a share of <see cref="Data"/>.</summary>
    public IReadOnlyList<string> Valid { get; init; } = [];

    /// <summary>How files of text are laid out, one of <see cref="TextFormats.Names"/>; <c>auto</c> looks at each.</summary>
    public string DataFormat { get; init; } = "auto";

    /// <summary>The field of JSON objects, or the column of tables, that holds the text; dots lead into objects.</summary>
    public string TextField { get; init; } = TextOptions.DefaultTextField;

    /// <summary>Whether lines, elements and rows of the data that hold no usable text are left out instead of being an error.</summary>
    public bool SkipBadLines { get; init; }

    /// <summary><c>bytes</c>, or the path of a tokenizer; <c>bytes</c> if not given, or that of <see cref="Init"/>.</summary>
    public string? Tokenizer { get; init; }

    /// <summary>
    /// The folder of a model to start from: its shape and weights in place of a preset's and of random ones. Convolutions that
    /// it does not have and <see cref="Conv"/> asks for begin as the identity.
    /// </summary>
    public string? Init { get; init; }

    /// <summary>Whether documents get the tokens around them that the tokenizer's template says, such as a beginning of text.</summary>
    public bool Template { get; init; } = true;

    /// <summary>The model's shape by name, one of <see cref="Presets.Names"/>; <c>nano</c> if not given. Not with <see cref="Init"/>.</summary>
    public string? Preset { get; init; }

    /// <summary>What differs from the preset's shape.</summary>
    public ModelOverrides Model { get; init; } = new();

    /// <summary>
    /// <c>none</c>, <c>static</c>, <c>headwise</c> or <c>lowrank</c>; <c>lowrank</c> if not given, or with <see cref="Init"/>
    /// the model's own.
    /// </summary>
    public string? Conv { get; init; }

    /// <summary>Linear layers that a convolution follows: <c>qkv</c>, <c>all</c>, or names with commas.</summary>
    public string Placement { get; init; } = "qkv";

    /// <summary>Taps of a filter.</summary>
    public int Width { get; init; } = 4;

    /// <summary>Bottleneck of a low-rank convolution.</summary>
    public int Rank { get; init; } = 16;

    /// <summary>Channels that share a filter of a head-wise convolution.</summary>
    public int HeadSize { get; init; } = 16;

    /// <summary>Whether queries and keys are normalised.</summary>
    public bool QkNorm { get; init; }

    /// <summary>Tokens of a sequence.</summary>
    public int? Context { get; init; }

    /// <summary>
    /// Whether each document's part of a sequence is a sequence of its own: no token sees another document, positions
    /// count from the document's beginning, and no document's first token is a target.
    /// </summary>
    public bool Pack { get; init; }

    /// <summary>Sequences of a micro-batch.</summary>
    public int? Batch { get; init; }

    /// <summary>Micro-batches whose gradients are averaged for one step.</summary>
    public int Accumulate { get; init; } = 1;

    /// <summary>Steps of the whole run; worked out from <see cref="Tokens"/> if that is given instead.</summary>
    public long? Steps { get; init; }

    /// <summary>Tokens of the whole run, rounded up to whole steps.</summary>
    public long? Tokens { get; init; }

    /// <summary>Peak learning rate.</summary>
    public double? LearningRate { get; init; }

    /// <summary>What the learning rate does after its warm-up, one of <see cref="ScheduleKinds.Names"/>.</summary>
    public string Schedule { get; init; } = "cosine";

    /// <summary>Steps in which the learning rate rises in a straight line: below 1 a share of the run, else their number.</summary>
    public double Warmup { get; init; } = 0.1;

    /// <summary>Last steps, in which the rate of <c>wsd</c> falls: below 1 a share of the run, else their number; 0.2 if not given.</summary>
    public double? Decay { get; init; }

    /// <summary>Where the learning rate ends, as a share of its peak. Not with a constant schedule.</summary>
    public double FinalLearningRate { get; init; }

    /// <summary>AdamW's decay of matrices.</summary>
    public double WeightDecay { get; init; } = 0.1;

    /// <summary>AdamW's first moment.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>AdamW's second moment.</summary>
    public double Beta2 { get; init; } = 0.95;

    /// <summary>AdamW's epsilon.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>Norm to which larger gradients are scaled down; 0 for no limit.</summary>
    public double ClipNorm { get; init; } = 1;

    /// <summary>Decides the initial weights and the order of the data.</summary>
    public ulong Seed { get; init; }

    /// <summary>Steps between validations; 0 for none but the last.</summary>
    public long? ValidateEvery { get; init; }

    /// <summary>The most validation tokens that a validation during the run looks at; the last one looks at all.</summary>
    public long ValidationTokens { get; init; } = 65_536;

    /// <summary>Steps between checkpoints; 0 for none but the last.</summary>
    public long? CheckpointEvery { get; init; }

    /// <summary>The latest checkpoints that are kept.</summary>
    public int KeepCheckpoints { get; init; } = 2;

    /// <summary>Whether the checkpoint with the lowest validation loss is kept too, as <c>checkpoints/best</c>.</summary>
    public bool KeepBest { get; init; }

    /// <summary>Where to compute: <c>cpu</c>, <c>cuda</c>, <c>cuda:1</c>, or <c>auto</c>, the first GPU if there is one.</summary>
    public string Device { get; init; } = "auto";

    /// <summary>
    /// What to compute in: <c>float32</c> or, on a GPU alone, <c>bfloat16</c>, which is also the default there. Weights,
    /// their gradients and moments are float32 either way.
    /// </summary>
    public string? Dtype { get; init; }

    /// <summary>Where the settings stand in the file that they were read from.</summary>
    internal SettingPlaces Places { get; init; } = SettingPlaces.None;

    /// <summary>Fills in what depends on the preset and on the machine, and checks what can be checked without the data.</summary>
    /// <returns>A configuration without nulls.</returns>
    /// <exception cref="DynConvException">A setting does not fit, or the device is not here.</exception>
    public TrainingConfiguration Resolve()
    {
        try
        {
            return ResolveAll();
        }
        catch (DynConvException failure) when (Places.Locate(failure) is { } located)
        {
            throw located;
        }
    }

    private TrainingConfiguration ResolveAll()
    {
        CheckInit();
        PresetDefaults defaults = Init is null ? PresetDefaults.Of(PresetName) : PresetDefaults.OfModel(Context ?? InitialModel(Init).MaxPositions);
        int context = Context ?? defaults.Context;
        int batch = Batch ?? defaults.Batch;
        Positive("context", context);
        Positive("batch", batch);
        Positive("accumulate", Accumulate);
        if (Steps is not null && Tokens is not null)
        {
            throw new DynConvException("A run is as long as its steps or its tokens say; give one of the two.");
        }

        long perStep = TokensPerStep(context, batch, Accumulate);
        long steps = Steps ?? (Tokens is { } tokens ? (tokens + perStep - 1) / perStep : defaults.Steps(perStep));
        Positive("steps", steps);
        Range("learning_rate", LearningRate ?? defaults.LearningRate, 0, 10);
        CheckSchedule();
        Range("final_learning_rate", FinalLearningRate, 0, 1);
        Range("weight_decay", WeightDecay, 0, 10);
        Range("beta1", Beta1, 0, 0.9999999);
        Range("beta2", Beta2, 0, 0.9999999);
        Range("epsilon", Epsilon, 0, 1);
        Range("clip_norm", ClipNorm, 0, 1e9);
        Reading().Checked();
        NotNegative("validate_every", ValidateEvery ?? 0);
        NotNegative("checkpoint_every", CheckpointEvery ?? 0);
        Positive("validation_tokens", ValidationTokens);
        Positive("keep_checkpoints", KeepCheckpoints);
        DynConv.Device device = DynConv.Device.Parse(Device);
        return this with
        {
            Preset = Init is null ? PresetName : null,
            Conv = Conv ?? (Init is null ? DefaultConv : null),
            Tokenizer = TokenizerPath,
            Decay = IsWsd ? Decay ?? DefaultDecay : null,
            Context = context,
            Batch = batch,
            Steps = steps,
            Tokens = null,
            LearningRate = LearningRate ?? defaults.LearningRate,
            ValidateEvery = ValidateEvery ?? Math.Max(1, steps / 10),
            CheckpointEvery = CheckpointEvery ?? Math.Max(1, steps / 4),
            Device = device.ToString(),
            Dtype = ComputeTypes.Parse(Dtype, device).Name(),
        };
    }

    internal const string DefaultConv = "lowrank";

    private const string DefaultPreset = "nano";
    private const double DefaultDecay = 0.2;

    /// <summary><see cref="Preset"/>, or the default.</summary>
    internal string PresetName => Preset ?? DefaultPreset;

    /// <summary><see cref="Tokenizer"/>, or the default.</summary>
    internal string TokenizerPath => Tokenizer ?? Init ?? "bytes";

    /// <summary>What the model is called: by its preset, or by the folder that it starts from.</summary>
    public string ModelName() => Init is null ? PresetName : Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(Init)));

    /// <summary>What its convolutions are called.</summary>
    internal string ConvName => Conv ?? (Init is null ? DefaultConv : "the model's own");

    private bool IsWsd => ScheduleKinds.Parse(Schedule) == ScheduleKind.WarmupStableDecay;

    /// <summary>The same for any machine: what to train, not where.</summary>
    internal TrainingConfiguration WithoutDevice() => this with { Device = "cpu", Dtype = null };

    /// <summary>How files of text are read.</summary>
    internal TextOptions Reading() =>
        new() { Format = TextFormats.Parse(DataFormat), TextField = TextField, SkipBadLines = SkipBadLines };

    /// <summary>The model's shape, for a vocabulary.</summary>
    /// <param name="vocabularySize">Number of the tokenizer's ids; null for the preset's.</param>
    public ModelConfiguration ModelConfiguration(int? vocabularySize = null)
    {
        try
        {
            return MakeModel(vocabularySize);
        }
        catch (DynConvException failure) when (Places.Locate(failure) is { } located)
        {
            throw located;
        }
    }

    private ModelConfiguration MakeModel(int? vocabularySize)
    {
        if (Init is not null)
        {
            return InitialModel(Init, vocabularySize ?? 0);
        }

        ModelConfiguration preset = Presets.Get(PresetName);
        int hidden = Model.HiddenSize ?? preset.HiddenSize;
        LayerConfiguration[] ordinary = [.. preset.Layers.Select(layer => layer.With(mixer => Adapted(mixer, preset, hidden)))];
        var plain = new PlainMixers(
            Mixers(Model.SequenceMixers, MixerRole.Sequence, ordinary.Select(layer => layer.Sequence)),
            Mixers(Model.ChannelMixers, MixerRole.Channel, ordinary.Select(layer => layer.Channel)));
        ModelConfiguration model = preset with
        {
            VocabularySize = vocabularySize ?? preset.VocabularySize,
            HiddenSize = hidden,
            MaxPositions = Context ?? preset.MaxPositions,
            TiedEmbeddings = Model.TiedEmbeddings ?? preset.TiedEmbeddings,
            Layers = plain.Layers(Model.Layers ?? preset.Layers.Count),
        };
        CheckUsed(model);
        return WithConvolutions(model, plain).Validate();

        IReadOnlyList<(MixerConfiguration? Mixer, bool OwnConvolutions)> Mixers(
            MixerPattern? pattern, MixerRole role, IEnumerable<MixerConfiguration?> mixers) =>
            pattern is null
                ? [.. mixers.Select(mixer => (mixer, false))]
                : [.. pattern.Resolve(role, hidden, mixers.OfType<MixerConfiguration>())];
    }

    /// <summary>A preset's mixer with what the settings change in one of its kind.</summary>
    private MixerConfiguration Adapted(MixerConfiguration mixer, ModelConfiguration preset, int hidden) => mixer switch
    {
        AttentionConfiguration attention => Adapted(attention, preset, hidden),
        FeedForwardConfiguration feedForward => feedForward with
        {
            IntermediateSize = Model.IntermediateSize
                ?? (Model.HiddenSize is null ? feedForward.IntermediateSize : Presets.IntermediateSize(hidden)),
        },
        _ => mixer,
    };

    private AttentionConfiguration Adapted(AttentionConfiguration attention, ModelConfiguration preset, int hidden)
    {
        int heads = Model.AttentionHeads ?? attention.Heads;
        return attention with
        {
            Heads = heads,
            KeyValueHeads = Model.KeyValueHeads ?? (Model.AttentionHeads is null ? attention.KeyValueHeads : heads),
            HeadDimension = Model.HeadDimension
                ?? (hidden == preset.HiddenSize && heads == attention.Heads ? attention.HeadDimension
                    : heads > 0 && hidden % heads == 0 ? hidden / heads
                    : throw new DynConvException($"{heads} heads do not divide a hidden size of {hidden}; give head_dimension, or a number of heads that does.")),
            Rope = Model.RopeTheta is { } theta ? (attention.Rope ?? new RopeConfiguration()) with { Theta = theta } : attention.Rope,
            QkNorm = QkNorm || attention.QkNorm,
        };
    }

    /// <summary>A setting of a mixer that no layer has would do nothing.</summary>
    private void CheckUsed(ModelConfiguration model)
    {
        Check<AttentionConfiguration>(
            AttentionConfiguration.Name,
            ("qk_norm", QkNorm),
            ("attention_heads", Model.AttentionHeads is not null),
            ("key_value_heads", Model.KeyValueHeads is not null),
            ("head_dimension", Model.HeadDimension is not null),
            ("rope_theta", Model.RopeTheta is not null));
        Check<FeedForwardConfiguration>(FeedForwardConfiguration.Name, ("intermediate_size", Model.IntermediateSize is not null));

        void Check<TMixer>(string kind, params (string Name, bool IsGiven)[] settings)
        {
            if (!model.Layers.SelectMany(layer => layer.Mixers).OfType<TMixer>().Any()
                && Array.Find(settings, setting => setting.IsGiven).Name is { } idle)
            {
                throw new DynConvException($"{idle} is given, and no layer has a mixer of the kind {kind} that would use it.");
            }
        }
    }

    /// <summary>The convolutions of the settings, in every mixer that does not say itself which it has.</summary>
    private ModelConfiguration WithConvolutions(ModelConfiguration model, PlainMixers plain)
    {
        if (Convolution(Conv ?? DefaultConv) is not { } convolution)
        {
            return model;
        }

        ModelConfiguration everywhere = model.WithConvolutions(convolution, Placement);
        return everywhere with
        {
            Layers = [.. model.Layers.Select((own, i) => plain.Choose(i, own, everywhere.Layers[i]))],
        };
    }

    /// <summary>The convolution that the settings describe; null for none.</summary>
    private ShortConvolutionConfiguration? Convolution(string name) => ShortConvolutionKinds.ParseOrNone(name) is { } kind
        ? new ShortConvolutionConfiguration { Kind = kind, Width = Width, Rank = Rank, HeadSize = HeadSize }
        : null;

    /// <summary>The shape of a model that is there, with the convolutions that the settings add to it.</summary>
    private ModelConfiguration InitialModel(string folder, int vocabularySize = 0)
    {
        string file = Path.Combine(folder, ModelFolder.ConfigurationFileName);
        ModelConfiguration model = Directory.Exists(folder)
            ? ConfigurationFile.Read(file)
            : throw new DynConvException($"There is no model folder {folder} to start from.");
        if (vocabularySize > model.VocabularySize)
        {
            throw new DynConvException(
                $"The tokenizer has {vocabularySize:N0} ids and the model of {folder} only {model.VocabularySize:N0}: they do not belong together.");
        }

        if (Context > model.MaxPositions)
        {
            throw new DynConvException($"A context of {Context} is longer than the {model.MaxPositions} tokens that the model of {folder} is made for.");
        }

        if (Conv is null)
        {
            return model;
        }

        if (model.Convolutions.Count > 0)
        {
            throw new DynConvException($"conv is '{Conv}', and the model of {folder} has convolutions of its own; leave conv out to go on with them.");
        }

        return model.WithConvolutions(Convolution(Conv), Placement).Validate();
    }

    /// <summary>The shape is that of the weights: settings that would change it are mistakes.</summary>
    private void CheckInit()
    {
        string? shape = Init is null ? null
            : Preset is not null ? "preset"
            : Model != new ModelOverrides() ? "model"
            : QkNorm ? "qk_norm"
            : null;
        if (shape is not null)
        {
            throw new DynConvException($"{shape} is given together with init, and the model's shape is that of {Init}; leave {shape} out.");
        }
    }

    private void CheckSchedule()
    {
        const double MostSteps = 1e15;
        ScheduleKind kind = ScheduleKinds.Parse(Schedule);
        Range("warmup", Warmup, 0, MostSteps);
        Range("decay", Decay ?? DefaultDecay, 0, MostSteps);
        WholeSteps("warmup", Warmup);
        WholeSteps("decay", Decay ?? DefaultDecay);
        if (Decay is not null && kind != ScheduleKind.WarmupStableDecay)
        {
            throw new DynConvException($"decay is given, and only the schedule wsd has use for it, not {Schedule}.");
        }

        if (FinalLearningRate != 0 && kind == ScheduleKind.Constant)
        {
            throw new DynConvException("final_learning_rate is given, and the schedule constant ends where it peaks.");
        }
    }

    private static void WholeSteps(string name, double value)
    {
        if (value >= 1 && value != Math.Floor(value))
        {
            throw new DynConvException($"{name} is {value}; it has to be a share of the run below 1 or a whole number of steps.");
        }
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

    private static long TokensPerStep(int context, int batch, int accumulate)
    {
        const long MostAtOnce = 1 << 28;
        const long MostPerStep = 1L << 40;
        long atOnce = (long)context * batch;
        if (atOnce > MostAtOnce)
        {
            throw new DynConvException(
                $"A context of {context} times a batch of {batch} is {atOnce:N0} tokens at once; it can be {MostAtOnce:N0} at most, and accumulate makes larger steps.");
        }

        return accumulate <= MostPerStep / atOnce
            ? atOnce * accumulate
            : throw new DynConvException(
                $"accumulate is {accumulate}; with {atOnce:N0} tokens at once it can be {MostPerStep / atOnce:N0} at most.");
    }

    private static void Positive(string name, long value)
    {
        if (value < 1)
        {
            throw new DynConvException($"{name} is {value}; it has to be at least 1.");
        }
    }

    private static void NotNegative(string name, long value)
    {
        if (value < 0)
        {
            throw new DynConvException($"{name} is {value}; it has to be 0 or more.");
        }
    }

    private static void Range(string name, double value, double least, double most)
    {
        if (!(value >= least && value <= most))
        {
            throw new DynConvException($"{name} is {value}; it has to be from {least} to {most}.");
        }
    }
}

/// <summary>Parts of a model's shape that differ from its preset; null for what does not.</summary>
public sealed record ModelOverrides
{
    /// <summary>Channels between blocks.</summary>
    public int? HiddenSize { get; init; }

    /// <summary>Channels inside the feed-forward layer; 2.6875 times the hidden size if only that is given.</summary>
    public int? IntermediateSize { get; init; }

    /// <summary>Number of blocks.</summary>
    public int? Layers { get; init; }

    /// <summary>Query heads.</summary>
    public int? AttentionHeads { get; init; }

    /// <summary>Key and value heads; as many as query heads if only those are given.</summary>
    public int? KeyValueHeads { get; init; }

    /// <summary>Channels of a head.</summary>
    public int? HeadDimension { get; init; }

    /// <summary>Base of the rotary position embedding.</summary>
    public double? RopeTheta { get; init; }

    /// <summary>Whether the output layer uses the embedding's weights.</summary>
    public bool? TiedEmbeddings { get; init; }

    /// <summary>The sequence mixers of the layers, over and over; attention in all of them if not given.</summary>
    public MixerPattern? SequenceMixers { get; init; }

    /// <summary>The channel mixers of the layers, over and over; feed-forward in all of them if not given.</summary>
    public MixerPattern? ChannelMixers { get; init; }
}
