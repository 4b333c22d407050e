using System.CommandLine;
using DynConv.Cpu;

namespace DynConv.Cli.Commands;

/// <summary>Options that several commands share.</summary>
internal static class CommonOptions
{
    public static Option<string> Model() => new("--model")
    {
        Description = "A model's folder: config.json, model.safetensors and tokenizer.json.",
        Required = true,
        HelpName = "DIR",
    };

    public static Option<int?> Threads() => new("--threads")
    {
        Description = "Threads to compute with; all cores if not given.",
        HelpName = "N",
    };

    public static Option<string> Device()
    {
        var option = new Option<string>("--device")
        {
            Description = "Where to compute.",
            DefaultValueFactory = static _ => "auto",
        };
        option.AcceptOnlyFromAmong("auto", "cpu", "cuda");
        return option;
    }

    public static void ApplyThreads(int? threads)
    {
        if (threads is < 1)
        {
            throw new DynConvException($"--threads is {threads}; it has to be at least 1.");
        }

        CpuSettings.Threads = threads ?? CpuSettings.Threads;
    }

    public static void CheckDevice(string device)
    {
        if (device == "cuda")
        {
            throw new DynConvException("This version computes on the CPU only; use --device cpu or leave it out.");
        }
    }
}
