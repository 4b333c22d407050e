using System.Text.Json.Serialization;
using DynConv.Models;
using DynConv.Models.Layers;
using DynConv.Modules;
using DynConv.Optimizers;
using DynConv.Training.Data;
using DynConv.Training.Optimization;
using YamlDotNet.Serialization;

namespace DynConv.Training;

/// <summary>
/// All that decides what a run computes. Written in YAML with underscored keys; what a file leaves out has the default
/// given here, and what depends on the preset (null here) is filled in by <see cref="Resolve"/>.
/// </summary>
public sealed record TrainingConfiguration
{
    internal const string DefaultConv = "lowrank";

    private const string DefaultPreset = "nano";

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

    /// <summary>Whether the backward pass computes each layer again, which takes time and saves memory.</summary>
    public bool Recompute { get; init; }

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

    /// <summary>
    /// What changes the weights: <c>adamw</c>, or <c>muon</c> for the matrices of the layers with AdamW for all else.
    /// </summary>
    public string Optimizer { get; init; } = OptimizerKinds.AdamW;

    /// <summary>Decay of matrices and embeddings.</summary>
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

    /// <summary>
    /// The kinds of mixers that <see cref="Model"/> and the model of <see cref="Init"/> can have. No setting: it stands in no
    /// file, and whoever reads one whose kinds are not this library's gives it.
    /// </summary>
    [JsonIgnore]
    [YamlIgnore]
    public MixerKinds Mixers { get; init; } = MixerKinds.BuiltIn;

    /// <summary>Where the settings stand in the file that they were read from.</summary>
    internal SettingPlaces Places { get; init; } = SettingPlaces.None;

    /// <summary>Fills in what depends on the preset and on the machine, and checks what can be checked without the data.</summary>
    /// <returns>A configuration without nulls.</returns>
    /// <exception cref="DynConvException">A setting does not fit, or the device is not here.</exception>
    public TrainingConfiguration Resolve() => Located(ResolveAll);

    /// <summary>The model's shape, for a vocabulary.</summary>
    /// <param name="vocabularySize">Number of the tokenizer's ids; null for the preset's.</param>
    public ModelConfiguration ModelConfiguration(int? vocabularySize = null) => Located(() => Init is null
        ? new PresetShape(this).Make(vocabularySize)
        : new InitialShape(this).Make(vocabularySize ?? 0));

    /// <summary>What the model is called: by its preset, or by the folder that it starts from.</summary>
    public string ModelName() => Init is null ? PresetName : Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(Init)));

    private TrainingConfiguration ResolveAll()
    {
        PresetDefaults defaults = Defaults();
        int context = Context ?? defaults.Context;
        int batch = Batch ?? defaults.Batch;
        SettingRanges.Positive("context", context);
        SettingRanges.Positive("batch", batch);
        SettingRanges.Positive("accumulate", Accumulate);
        if (Steps is not null && Tokens is not null)
        {
            throw new DynConvException("A run is as long as its steps or its tokens say; give one of the two.");
        }

        long perStep = SettingRanges.TokensPerStep(context, batch, Accumulate);
        long steps = SettingRanges.Steps(Steps, Tokens, perStep, defaults.Steps(perStep));
        SettingRanges.Range("learning_rate", LearningRate ?? defaults.LearningRate, 0, 10);
        OptimizerKinds.Check(Optimizer);
        ScheduleSettings.Check(this);
        SettingRanges.Range("final_learning_rate", FinalLearningRate, 0, 1);
        SettingRanges.Range("weight_decay", WeightDecay, 0, 10);
        SettingRanges.Range("beta1", Beta1, 0, 0.9999999);
        SettingRanges.Range("beta2", Beta2, 0, 0.9999999);
        SettingRanges.Range("epsilon", Epsilon, 0, 1);
        SettingRanges.Range("clip_norm", ClipNorm, 0, 1e9);
        Reading().Checked();
        SettingRanges.NotNegative("validate_every", ValidateEvery ?? 0);
        SettingRanges.NotNegative("checkpoint_every", CheckpointEvery ?? 0);
        SettingRanges.Positive("validation_tokens", ValidationTokens);
        SettingRanges.Positive("keep_checkpoints", KeepCheckpoints);
        DynConv.Device device = DynConv.Device.Parse(Device);
        return this with
        {
            Preset = Init is null ? PresetName : null,
            Conv = Conv ?? (Init is null ? DefaultConv : null),
            Tokenizer = TokenizerPath,
            Decay = ScheduleSettings.DecayOf(this),
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

    private PresetDefaults Defaults()
    {
        if (Init is null)
        {
            return PresetDefaults.Of(PresetName);
        }

        var initial = new InitialShape(this);
        initial.Check();
        return PresetDefaults.OfModel(Context ?? initial.Make().MaxPositions);
    }

    /// <summary><see cref="Preset"/>, or the default.</summary>
    internal string PresetName => Preset ?? DefaultPreset;

    /// <summary><see cref="Tokenizer"/>, or the default.</summary>
    internal string TokenizerPath => Tokenizer ?? Init ?? "bytes";

    /// <summary>What its convolutions are called.</summary>
    internal string ConvName => Conv ?? (Init is null ? DefaultConv : "the model's own");

    /// <summary>The same for any machine: what to train, not where.</summary>
    internal TrainingConfiguration WithoutDevice() => this with { Device = "cpu", Dtype = null };

    /// <summary>How files of text are read.</summary>
    internal TextOptions Reading() =>
        new() { Format = TextFormats.Parse(DataFormat), TextField = TextField, SkipBadLines = SkipBadLines };

    /// <summary>The convolution that the settings describe; null for none.</summary>
    internal ShortConvolutionConfiguration? Convolution() => ShortConvolutionKinds.ParseOrNone(Conv ?? DefaultConv) is { } kind
        ? new ShortConvolutionConfiguration { Kind = kind, Width = Width, Rank = Rank, HeadSize = HeadSize }
        : null;

    /// <summary>What a function makes of the settings; what it finds wrong with one names the line, if a file has it.</summary>
    private T Located<T>(Func<T> make)
    {
        try
        {
            return make();
        }
        catch (DynConvException failure) when (Places.Locate(failure) is { } located)
        {
            throw located;
        }
    }
}
