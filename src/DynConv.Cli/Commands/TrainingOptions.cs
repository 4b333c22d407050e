using System.CommandLine;
using System.CommandLine.Parsing;
using System.Numerics;
using DynConv.Models;
using DynConv.Models.Layers;
using DynConv.Modules;
using DynConv.Optimizers;
using DynConv.Training;
using DynConv.Training.Data;
using DynConv.Training.Optimization;

namespace DynConv.Cli.Commands;

/// <summary>The options that make up a <see cref="TrainingConfiguration"/>; each overrides the file's value.</summary>
internal sealed class TrainingOptions
{
    private readonly List<Option> _options = [];
    private readonly List<Func<ParseResult, TrainingConfiguration, TrainingConfiguration>> _apply = [];
    private readonly TrainingConfiguration _defaults;
    private readonly Option<string?> _file = new("--config") { Description = "A YAML file with settings; the options given here override it.", HelpName = "F.yaml" };

    private TrainingOptions(TrainingConfiguration defaults)
    {
        _defaults = defaults;
        _options.Add(_file);
    }

    /// <summary>All options of a run.</summary>
    public static TrainingOptions ForRun(MixerKinds mixers)
    {
        var options = new TrainingOptions(new TrainingConfiguration { Mixers = mixers });
        options.AddData();
        options.AddReading();
        options.AddInit();
        options.AddModel("bytes, or with --init the model's");
        options.AddTemplate();
        options.AddRun();
        return options;
    }

    /// <summary>The options that a model's shape depends on; without any it is a plain Transformer.</summary>
    /// <remarks>No tokenizer, an empty name, stands for the preset's vocabulary.</remarks>
    public static TrainingOptions ForModel(MixerKinds mixers)
    {
        var options = new TrainingOptions(new TrainingConfiguration { Conv = "none", Tokenizer = "", Mixers = mixers });
        options.AddModel("the preset's vocabulary");
        return options;
    }

    /// <summary>The options that the speed of a step depends on, but for the device; without any it is a plain Transformer.</summary>
    public static TrainingOptions ForBenchmark(MixerKinds mixers)
    {
        var options = new TrainingOptions(new TrainingConfiguration { Conv = "none", Mixers = mixers });
        options.AddShape();
        options.AddBatch();
        options.AddOptimizer();
        options.AddComputeType();
        return options;
    }

    public void AddTo(Command command)
    {
        _options.ForEach(command.Add);
        command.Validators.Add(static result =>
        {
            if (IsGiven(result, "--steps") && IsGiven(result, "--tokens"))
            {
                result.AddError("A run is as long as --steps or --tokens say; give one of the two.");
            }
        });
    }

    /// <summary>What the file says, or the defaults without one, with the given options over it.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="otherwise">Stands for the defaults.</param>
    public TrainingConfiguration Read(ParseResult parsed, TrainingConfiguration? otherwise = null)
    {
        TrainingConfiguration configuration = (parsed.GetValue(_file) is { } file ? RunFile.Read(file) : otherwise ?? _defaults) with { Mixers = _defaults.Mixers };
        foreach (Func<ParseResult, TrainingConfiguration, TrainingConfiguration> apply in _apply)
        {
            configuration = apply(parsed, configuration);
        }

        return configuration;
    }

    private static bool IsGiven(CommandResult result, string option) =>
        result.GetResult(option) is OptionResult { Implicit: false };

    private void AddData()
    {
        List("--data", "Files and folders to train on: text, JSON Lines, JSON or Parquet, plain, gzip or Zstandard; - is standard input. PATH:WEIGHT for each makes a mixture.", static (c, v) => c with { Data = v });
        List("--valid", "Files and folders to validate on; a tenth of the data is held out if not given.", static (c, v) => c with { Valid = v });
    }

    private void AddInit() =>
        Text("--init", "DIR", "A model's folder to start from, of this library or another; convolutions that --conv adds begin as the identity.", static (c, v) => c with { Init = v });

    private void AddReading()
    {
        Choice("--format", TextReading.FormatHelp, [.. TextFormats.Names], static (c, v) => c with { DataFormat = v });
        Text("--text-field", "NAME", TextReading.FieldHelp, static (c, v) => c with { TextField = v });
        Add(new Option<bool>("--skip-bad-lines") { Description = TextReading.SkipHelp }, static (c, v) => c with { SkipBadLines = v });
    }

    private void AddModel(string tokenizerDefault)
    {
        AddShape();
        Text("--tokenizer", "T", $"bytes, or a tokenizer.json, or a folder with one. Default {tokenizerDefault}.", static (c, v) => c with { Tokenizer = v });
    }

    private void AddShape()
    {
        Text("--preset", "P", $"The model's shape: {string.Join(", ", Presets.Names)}. Default nano.", static (c, v) => c with { Preset = v });
        Choice("--conv", $"The short convolutions; gdn and mamba2 have static ones where it is none. Default {_defaults.Conv ?? "lowrank, or with --init the model's own"}.", [.. ShortConvolutionKinds.NamesOrNone], static (c, v) => c with { Conv = v });
        Text("--placement", "P", "Linear layers that they follow: qkv, all, or some of q,k,v,o,gate,up,down; of Mamba-2 xbc is what qkv means. Default qkv.", static (c, v) => c with { Placement = v });
        Number<int>("--width", "Taps of a filter, 1 to 16. Default 4.", static (c, v) => c with { Width = v });
        Number<int>("--rank", "Bottleneck of a low-rank convolution. Default 16.", static (c, v) => c with { Rank = v });
        Number<int>("--head-size", "Channels that share a filter of a head-wise convolution. Default 16.", static (c, v) => c with { HeadSize = v });
        Add(new Option<bool>("--qk-norm") { Description = "Normalise queries and keys." }, static (c, v) => c with { QkNorm = v });
        Text("--mixer", "M", $"Sequence mixers that the layers have in turn, with commas between them and *N for N in a row; there are: {Mixers()}. Default {AttentionConfiguration.Name}.", static (c, v) => c with { Model = c.Model with { SequenceMixers = MixerPattern.Parse(v) } });
    }

    private void AddTemplate() => Add(CommonOptions.NoTemplate(), static (c, v) => c with { Template = !v });

    private string Mixers() =>
        string.Join(", ", _defaults.Mixers.All.Where(kind => kind.Role == MixerRole.Sequence).Select(kind => kind.Name));

    private void AddRun()
    {
        Number<long>("--steps", "Length of the run in steps. Default by preset.", static (c, v) => c with { Steps = v, Tokens = null });
        Number<long>("--tokens", "Length of the run in tokens, instead of --steps.", static (c, v) => c with { Tokens = v, Steps = null });
        AddBatch();
        Number<double>("--lr", "Peak learning rate. Default by preset.", static (c, v) => c with { LearningRate = v }, "X");
        AddOptimizer();
        Choice("--schedule", "What the learning rate does after its warm-up. Default cosine.", [.. ScheduleKinds.Names], static (c, v) => c with { Schedule = v });
        Number<double>("--warmup", "Steps in which it rises; below 1 a share of the run. Default 0.1.", static (c, v) => c with { Warmup = v }, "X");
        Number<double>("--decay", "Last steps, in which that of wsd falls; below 1 a share of the run. Default 0.2.", static (c, v) => c with { Decay = v }, "X");
        Number<ulong>("--seed", "Decides the first weights and the order of the data. Default 0.", static (c, v) => c with { Seed = v });
        Number<long>("--validate-every", "Steps between validations; 0 for the last only. Default a tenth of the run.", static (c, v) => c with { ValidateEvery = v });
        Number<long>("--checkpoint-every", "Steps between checkpoints; 0 for the last only. Default a quarter of the run.", static (c, v) => c with { CheckpointEvery = v });
        Number<int>("--keep", "Latest checkpoints that are kept. Default 2.", static (c, v) => c with { KeepCheckpoints = v });
        Add(new Option<bool>("--keep-best") { Description = "Keep the checkpoint with the lowest validation loss too, as checkpoints/best." }, static (c, v) => c with { KeepBest = v });
        Add(CommonOptions.Device(), static (c, v) => c with { Device = v! });
        AddComputeType();
    }

    private void AddBatch()
    {
        Number<int>("--batch", "Sequences of a micro-batch. Default by preset.", static (c, v) => c with { Batch = v });
        Number<int>("--accumulate", "Micro-batches of a step. Default 1.", static (c, v) => c with { Accumulate = v });
        Number<int>("--context", "Tokens of a sequence. Default by preset.", static (c, v) => c with { Context = v });
        Add(new Option<bool>("--pack") { Description = "Documents in a sequence do not see one another." }, static (c, v) => c with { Pack = v });
        Add(new Option<bool>("--recompute") { Description = "Compute each layer again in the backward pass: slower, with less memory." }, static (c, v) => c with { Recompute = v });
    }

    private void AddOptimizer() =>
        Choice("--optimizer", "adamw, or muon for the matrices of the layers. Default adamw.", [.. OptimizerKinds.Names], static (c, v) => c with { Optimizer = v });

    private void AddComputeType() => Add(CommonOptions.ComputeType(), static (c, v) => c with { Dtype = v });

    private void List(string name, string description, Func<TrainingConfiguration, string[], TrainingConfiguration> set) =>
        Add(new Option<string[]>(name) { Description = description, HelpName = "PATH", AllowMultipleArgumentsPerToken = true }, set);

    private void Choice(string name, string description, string[] values, Func<TrainingConfiguration, string, TrainingConfiguration> set) =>
        Add(CommonOptions.Choice(name, description, values), set);

    private void Text(string name, string value, string description, Func<TrainingConfiguration, string, TrainingConfiguration> set) =>
        Add(new Option<string>(name) { Description = description, HelpName = value }, set);

    private void Number<T>(string name, string description, Func<TrainingConfiguration, T, TrainingConfiguration> set, string value = "N")
        where T : struct, INumber<T>, IMinMaxValue<T> =>
        Add(CommonOptions.Number<T>(name, description, value: value), (c, v) => set(c, v!.Value));

    private void Add<T>(Option<T> option, Func<TrainingConfiguration, T, TrainingConfiguration> set)
    {
        _options.Add(option);
        _apply.Add((parsed, configuration) =>
            parsed.GetResult(option) is { Implicit: false } ? set(configuration, parsed.GetValue(option)!) : configuration);
    }
}
