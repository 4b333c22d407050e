using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Numerics;
using DynConv.Cpu;

namespace DynConv.Cli.Commands;

/// <summary>Options that several commands share, and how options read their values.</summary>
internal static class CommonOptions
{
    public static Option<string> Model() => new("--model")
    {
        Description = "A model's folder: config.json, model.safetensors and tokenizer.json.",
        Required = true,
        HelpName = "DIR",
    };

    public static Option<string[]> Data() => new("--data")
    {
        Description = "Files and folders of text: plain, .jsonl with a text field, each as it is or as .gz.",
        Required = true,
        HelpName = "PATH",
        AllowMultipleArgumentsPerToken = true,
    };

    public static Option<int?> Threads() => Number<int>("--threads", "Threads to compute with; all cores if not given.", least: 1);

    public static Option<string> Device()
    {
        Option<string> option = Choice("--device", "Where to compute.", ["auto", "cpu", "cuda"]);
        option.DefaultValueFactory = static _ => "auto";
        return option;
    }

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

    public static void ApplyThreads(int? threads) => CpuSettings.Threads = threads ?? CpuSettings.Threads;

    public static void CheckDevice(string device)
    {
        if (device == "cuda")
        {
            throw new DynConvException("This version computes on the CPU only; use --device cpu or leave it out.");
        }
    }

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
        result.Tokens[0].Value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);

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
