using System.CommandLine;
using DynConv.Models;
using DynConv.Training;

namespace DynConv.Cli.Commands;

/// <summary>The options of <c>train</c> that make up a <see cref="TrainingConfiguration"/>; each overrides the file's value.</summary>
internal sealed class TrainingOptions
{
    private readonly List<Action<Command>> _add = [];
    private readonly List<Func<ParseResult, TrainingConfiguration, TrainingConfiguration>> _apply = [];
    private readonly Option<string?> _file = new("--config") { Description = "A YAML file with any of the settings below, underscored.", HelpName = "F.yaml" };

    public TrainingOptions()
    {
        List("--data", "Files and folders to train on: text, .jsonl with a text field, each plain or .gz.", "PATH", static (c, v) => c with { Data = v });
        List("--valid", "Files and folders to validate on; a tenth of the data is held out if not given.", "PATH", static (c, v) => c with { Valid = v });
        Text("--preset", $"The model's shape: {string.Join(", ", Presets.Names)}. Default nano.", "P", static (c, v) => c with { Preset = v });
        Choice("--conv", "The short convolutions. Default lowrank.", ["none", "static", "headwise", "lowrank"], static (c, v) => c with { Conv = v });
        Text("--placement", "Linear layers that they follow: qkv, all, or names of q,k,v,o,gate,up,down. Default qkv.", "P", static (c, v) => c with { Placement = v });
        Number("--width", "Taps of a filter, 1 to 16. Default 4.", static (c, v) => c with { Width = v });
        Number("--rank", "Bottleneck of a low-rank convolution. Default 16.", static (c, v) => c with { Rank = v });
        Number("--head-size", "Channels that share a filter of a head-wise convolution. Default 16.", static (c, v) => c with { HeadSize = v });
        Flag("--qk-norm", "Normalise queries and keys.", static c => c with { QkNorm = true });
        Text("--tokenizer", "bytes, or a tokenizer.json, or a folder with one. Default bytes.", "T", static (c, v) => c with { Tokenizer = v });
        Big("--steps", "Length of the run in steps. Default by preset.", static (c, v) => c with { Steps = v, Tokens = null });
        Big("--tokens", "Length of the run in tokens, instead of --steps.", static (c, v) => c with { Tokens = v, Steps = null });
        Number("--batch", "Sequences of a micro-batch. Default by preset.", static (c, v) => c with { Batch = v });
        Number("--accumulate", "Micro-batches of a step. Default 1.", static (c, v) => c with { Accumulate = v });
        Number("--context", "Tokens of a sequence. Default by preset.", static (c, v) => c with { Context = v });
        Real("--lr", "Peak learning rate. Default by preset.", static (c, v) => c with { LearningRate = v });
        Add<ulong?>("--seed", "Decides the first weights and the order of the data. Default 0.", "N", static (c, v) => c with { Seed = v!.Value });
        Big("--validate-every", "Steps between validations; 0 for the last only. Default a tenth of the run.", static (c, v) => c with { ValidateEvery = v });
        Big("--checkpoint-every", "Steps between checkpoints; 0 for the last only. Default a quarter of the run.", static (c, v) => c with { CheckpointEvery = v });
        Choice("--device", "Where to compute. Default auto.", ["auto", "cpu", "cuda"], static (c, v) => c with { Device = v });
    }

    public void AddTo(Command command)
    {
        command.Add(_file);
        foreach (Action<Command> add in _add)
        {
            add(command);
        }
    }

    /// <summary>What the file says (or <paramref name="otherwise"/> without one), with the given options over it.</summary>
    public TrainingConfiguration Read(ParseResult parsed, TrainingConfiguration otherwise)
    {
        TrainingConfiguration configuration = parsed.GetValue(_file) is { } file ? RunFile.Read(file) : otherwise;
        foreach (Func<ParseResult, TrainingConfiguration, TrainingConfiguration> apply in _apply)
        {
            configuration = apply(parsed, configuration);
        }

        return configuration;
    }

    private void List(string name, string description, string value, Func<TrainingConfiguration, string[], TrainingConfiguration> set)
    {
        var option = new Option<string[]>(name) { Description = description, HelpName = value, AllowMultipleArgumentsPerToken = true };
        Register(option, set);
    }

    private void Flag(string name, string description, Func<TrainingConfiguration, TrainingConfiguration> set) =>
        Register(new Option<bool>(name) { Description = description }, (c, given) => given ? set(c) : c);

    private void Choice(string name, string description, string[] values, Func<TrainingConfiguration, string, TrainingConfiguration> set)
    {
        var option = new Option<string>(name) { Description = description };
        option.AcceptOnlyFromAmong(values);
        Register(option, set);
    }

    private void Text(string name, string description, string value, Func<TrainingConfiguration, string, TrainingConfiguration> set) =>
        Add(name, description, value, set);

    private void Number(string name, string description, Func<TrainingConfiguration, int, TrainingConfiguration> set) =>
        Add<int?>(name, description, "N", (c, v) => set(c, v!.Value));

    private void Big(string name, string description, Func<TrainingConfiguration, long, TrainingConfiguration> set) =>
        Add<long?>(name, description, "N", (c, v) => set(c, v!.Value));

    private void Real(string name, string description, Func<TrainingConfiguration, double, TrainingConfiguration> set) =>
        Add<double?>(name, description, "X", (c, v) => set(c, v!.Value));

    private void Add<T>(string name, string description, string value, Func<TrainingConfiguration, T, TrainingConfiguration> set) =>
        Register(new Option<T>(name) { Description = description, HelpName = value }, set);

    private void Register<T>(Option<T> option, Func<TrainingConfiguration, T, TrainingConfiguration> set)
    {
        _add.Add(command => command.Add(option));
        _apply.Add((parsed, configuration) =>
            parsed.GetResult(option) is { Implicit: false } ? set(configuration, parsed.GetValue(option)!) : configuration);
    }
}
