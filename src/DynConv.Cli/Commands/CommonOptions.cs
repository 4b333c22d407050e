using System.CommandLine;
using System.CommandLine.Parsing;
using System.Diagnostics;
using System.Globalization;
using System.Numerics;
using DynConv.Cpu;
using DynConv.Cuda;
using DynConv.Models;
using DynConv.Models.Tokenizers;
using DynConv.Training.Runs;

namespace DynConv.Cli.Commands;

/// <summary>Options that several commands share, and how options read their values.</summary>
internal static class CommonOptions
{
    public static Option<string> Model() => new("--model")
    {
        Description = "A model's folder, a run's or one of its checkpoints.",
        Required = true,
        HelpName = "DIR",
    };

    public static Option<string[]> Data() => new("--data")
    {
        Description = "Files and folders of text, JSON Lines, JSON or Parquet, plain, gzip or Zstandard; - is standard input.",
        Required = true,
        HelpName = "PATH",
        AllowMultipleArgumentsPerToken = true,
    };

    public static Option<int?> Threads() => Number<int>("--threads", "Threads to compute with; all cores if not given.", least: 1);

    /// <summary>Leaves out what <see cref="TokenTemplate"/> puts around a text.</summary>
    public static Option<bool> NoTemplate() => new("--no-template")
    {
        Description = "Leave out the tokens that the tokenizer's template puts around a text, such as a beginning of text.",
    };

    /// <summary>Where to compute; <see cref="ResolveDevice"/> finds it.</summary>
    public static Option<string?> Device() => new("--device")
    {
        Description = "Where to compute: auto, cpu, cuda, or cuda:N for one of several GPUs. Default auto: a GPU if there is one.",
        HelpName = "auto|cpu|cuda|cuda:N",
        CompletionSources = { "auto", "cpu", "cuda" },
        CustomParser = result =>
        {
            string given = result.Tokens[0].Value;
            if (!DynConv.Device.IsName(given))
            {
                result.AddError($"--device is '{given}'; it can be {DynConv.Device.Names}.");
            }

            return given;
        },
    };

    /// <summary>What to compute in; null stands for the default.</summary>
    /// <param name="otherwise">What the default is, in words.</param>
    public static Option<string> ComputeType(string otherwise = "bfloat16 on a GPU, float32 on the CPU") =>
        Choice("--dtype", $"What to compute in; weights stay float32. Default {otherwise}.", [.. ComputeTypes.Names]);

    /// <summary>A number, refused in plain words if it is none.</summary>
    public static Option<T?> Number<T>(string name, string description, T? least = null, string value = "N")
        where T : struct, INumber<T>, IMinMaxValue<T> => new(name)
        {
            Description = description,
            HelpName = value,
            CustomParser = result => ParseNumber(name, result.Tokens[0].Value, result, least),
        };

    /// <summary>One of a few words.</summary>
    public static Option<string> Choice(string name, string description, string[] values) => new(name)
    {
        Description = description,
        HelpName = string.Join('|', values),
        CompletionSources = { values },
        CustomParser = result =>
        {
            string given = result.Tokens[0].Value;
            if (!values.Contains(given))
            {
                result.AddError($"{name} is '{given}'; it can be {string.Join(", ", values)}.");
            }

            return given;
        },
    };

    /// <summary>Some of a few words, with commas between them.</summary>
    public static Option<string[]> Choices(string name, string description, string[] values) => new(name)
    {
        Description = description,
        HelpName = string.Join(',', values),
        CompletionSources = { values },
        CustomParser = result =>
        {
            string[] given = Words(result);
            string? wrong = given.FirstOrDefault(word => !values.Contains(word));
            if (wrong is not null || given.Length == 0)
            {
                result.AddError($"{name} is '{wrong}'; it can be some of {string.Join(", ", values)}.");
            }

            return given;
        },
    };

    /// <summary>Numbers with commas between them, refused in plain words if one is none.</summary>
    public static Option<T[]> Numbers<T>(string name, string description, T? least = null, string value = "N,N…")
        where T : struct, INumber<T>, IMinMaxValue<T> => new(name)
        {
            Description = description,
            HelpName = value,
            CustomParser = result =>
            {
                string[] words = Words(result);
                if (words.Length == 0)
                {
                    result.AddError($"{name} is empty; it needs a number.");
                }

                return [.. words.Select(word => ParseNumber(name, word, result, least) ?? default)];
            },
        };

    /// <summary>Holds a command to the threads that an option gives; null if it gives none.</summary>
    public static IDisposable? LimitThreads(int? threads) => threads is { } count ? CpuSettings.LimitThreads(count) : null;

    /// <summary>
    /// The device that an option asks for. Says why <c>auto</c> is not a GPU, unless nobody asked and the machine has
    /// none.
    /// </summary>
    /// <param name="context">Where that is said.</param>
    /// <param name="name">The option's value; null if it was not given.</param>
    public static Device ResolveDevice(CliContext context, string? name)
    {
        if (name is not (null or "auto"))
        {
            return DynConv.Device.Parse(name);
        }

        if (DynConv.Device.TryCuda(out Device? card, out string? reason))
        {
            return card!;
        }

        if (name is not null || CudaInfo.Read().Cards.Count > 0)
        {
            context.Error.WriteLine($"note: computing on the CPU. {reason}");
        }

        return DynConv.Device.Cpu;
    }

    /// <summary>
    /// The model that <c>--model</c> stands for, on the device and in the type that options ask for, and its tokenizer;
    /// of a run that is not finished that of its newest checkpoint, which is said.
    /// </summary>
    public static (LanguageModel Model, ModelTokenizer Tokenizer) Load(
        CliContext context, string folder, string? device, string? computeType, bool noTemplate)
    {
        Device resolved = ResolveDevice(context, device);
        DType type = ComputeTypes.Parse(computeType, resolved);
        return RunModel.Read(
            folder,
            (found, step) =>
            {
                LanguageModel model = ModelFolder.Load(found, resolved, type, context.Mixers);
                try
                {
                    var tokenizer = ModelTokenizer.Load(found, !noTemplate);
                    if (step is not null)
                    {
                        context.Error.WriteLine($"note: {folder} is not finished; this is its checkpoint of step {step}, {found}");
                    }

                    return (model, tokenizer);
                }
                catch
                {
                    model.Dispose();
                    throw;
                }
            },
            context.Mixers);
    }

    /// <summary>Compiles what a command needs on a GPU, and says where it computes; silent on the CPU.</summary>
    public static void Prepare(CliContext context, Device device, DType computeType, Func<int> prepare)
    {
        if (device.IsCuda)
        {
            context.Error.WriteLine($"note: computing in {computeType.Name()} on {Describe(device)}");
            var watch = Stopwatch.StartNew();
            int kernels = prepare();
            context.Error.WriteLine($"note: {kernels} kernels compiled or loaded in {watch.Elapsed.TotalSeconds:0.0} s");
        }
    }

    /// <summary><c>cpu</c>, <c>cuda:0 (NVIDIA H200)</c>.</summary>
    public static string Describe(Device device) => device.IsCuda ? $"{device} ({device.Name})" : $"{device}";

    /// <summary>Finds out before the work, and not after it, that a file has no place.</summary>
    public static void CheckWritable(string path)
    {
        string folder = Path.GetDirectoryName(Path.GetFullPath(path)) ?? path;
        if (Directory.Exists(path))
        {
            throw new DynConvException($"{path} is a folder; a file is to be written.");
        }

        if (!Directory.Exists(folder))
        {
            throw new DynConvException($"There is no folder {folder} to write {Path.GetFileName(path)} into.");
        }
    }

    private static string[] Words(ArgumentResult result) =>
        [.. result.Tokens.SelectMany(static token => token.Value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))];

    private static T? ParseNumber<T>(string name, string text, ArgumentResult result, T? least)
        where T : struct, INumber<T>, IMinMaxValue<T>
    {
        bool real = typeof(T) == typeof(double);
        NumberStyles style = real ? NumberStyles.Float : NumberStyles.AllowLeadingSign;
        bool parsed = T.TryParse(text, style, CultureInfo.InvariantCulture, out T value);
        if (parsed && !(value < least))
        {
            return value;
        }

        string wanted = parsed ? $"at least {least}"
            : real ? "a number"
            : BigInteger.TryParse(text, style, CultureInfo.InvariantCulture, out _) ? $"from {least ?? T.MinValue} to {T.MaxValue}"
            : "a whole number";
        result.AddError($"{name} is '{text}'; it has to be {wanted}.");
        return null;
    }
}
