using System.CommandLine;
using DynConv.Diagnostics;
using DynConv.Models;
using DynConv.Ops;
using DynConv.Training;

namespace DynConv.Cli.Commands;

/// <summary><c>dynconv bench</c></summary>
internal static class BenchCommand
{
    private const string ConvHelp = """
        Times the short convolutions beside the device's copy bandwidth.

        Without options that name shapes it measures a table of them; --kind keeps the rows of one kind, and the
        others replace a number in every row that has it.

        Example:
          dynconv bench conv --json conv.json
          dynconv bench conv --device cuda --variants
          dynconv bench conv --device cuda --kind lowrank --rank 64 --residual
        """;

    private const string OpsHelp = """
        Times every op beside what the device's memory and its matrix products allow, both measured in the same run.

        On the CPU times are of whole calls, on a GPU of the kernels alone, over inputs that no cache holds. Parameters are
        float32, as in training.

        Example:
          dynconv bench ops
          dynconv bench ops --device cuda --json ops.json
          dynconv bench ops --op rms_norm,bias --sizes "N=8192 D=4096"
        """;

    private const string MatMulHelp = """
        Times matrix products: on the CPU by the managed kernel and by OpenBLAS, on a GPU by cuBLASLt.

        Example:
          dynconv bench matmul
          dynconv bench matmul --device cuda
        """;

    private const string TrainHelp = """
        Times whole training steps of a model with random weights, on random tokens.

        Prints the median step, tokens a second, the most memory and, where the card's peak is known, model FLOPs
        utilisation; on a GPU also where a step's time goes, from one step whose kernels are timed one by one.

        Example:
          dynconv bench train --preset 300m --device cuda --json train.json
          dynconv bench train --preset 150m --batch 8 --conv lowrank --placement all
          dynconv bench train --preset nano --vocab-size 1000 --device cpu
        """;

    private const string Help = """
        Measures the speed of this machine.

        Example:
          dynconv bench conv --json conv.json
          dynconv bench ops
          dynconv bench train --preset 300m
          dynconv bench matmul
        """;

    public static Command Create(CliContext context) => new("bench", Help) { Convolutions(context), Operations(context), Products(context), Steps(context) };

    private static Command Convolutions(CliContext context)
    {
        var shapes = new ConvolutionTableOptions();
        return Create(context, "conv", ConvHelp, shapes.All, (parsed, device, json) =>
            ConvolutionReport.Run(context, device, shapes.Shapes(parsed, device), json));
    }

    private static Command Operations(CliContext context)
    {
        Option<string[]> ops = CommonOptions.Choices(
            "--op", "Only these ops, by the names of their rows.", [.. OpCatalogue.All.Select(static op => op.Name)]);
        ops.HelpName = "OP,OP…";
        var sizes = new Option<string?>("--sizes")
        {
            Description = "Sizes that replace an op's own, by the letters of its row.",
            HelpName = "LETTER=NUMBER …",
        };
        Option<string> dtype = CommonOptions.Choice(
            "--dtype", "Type of all tensors but parameters. Default bfloat16 on a GPU, float32 on the CPU.", [.. ComputeTypes.Names]);
        return Create(context, "ops", OpsHelp, [ops, sizes, dtype], (parsed, device, json) =>
        {
            string[] names = parsed.GetValue(ops) ?? [];
            OpDescription[] wanted = [.. OpCatalogue.All.Where(op => names.Length == 0 || names.Contains(op.Name))];
            OpSizes? changed = Sizes(parsed.GetValue(sizes), wanted, device);
            OpReport.Run(
                context,
                OpBenchmark.Run(
                    device,
                    ComputeTypes.Parse(parsed.GetValue(dtype), device),
                    wanted,
                    changed),
                device,
                json);
        });
    }

    private static OpSizes? Sizes(string? text, OpDescription[] ops, Device device)
    {
        if (text is null)
        {
            return null;
        }

        try
        {
            var sizes = OpSizes.Parse(text);
            foreach (OpDescription op in ops)
            {
                OpSizes own = device.IsCuda ? op.CudaSizes : op.CpuSizes;
                if (sizes.Letters.FirstOrDefault(letter => !own.Letters.Contains(letter)) is { } unknown)
                {
                    throw new UsageException($"--sizes: {op} has no {unknown}; its sizes are {own}. Choose ops that have it with --op.");
                }
            }

            return sizes;
        }
        catch (DynConvException exception)
        {
            throw new UsageException($"--sizes: {exception.Message}");
        }
    }

    private static Command Products(CliContext context) => Create(context, "matmul", MatMulHelp, [], (_, device, json) =>
    {
        if (device.IsCuda)
        {
            CudaMatMulReport.Run(context, device, json);
        }
        else
        {
            MatMulReport.Run(context, json);
        }
    });

    private static Command Steps(CliContext context)
    {
        TrainingOptions settings = TrainingOptions.ForBenchmark(context.Mixers);
        Option<int?> vocabulary = CommonOptions.Number<int>("--vocab-size", "Number of different tokens. Default the preset's.", least: 1);
        Option<int?> steps = CommonOptions.Number<int>("--steps", "Steps that are measured. Default 20 on a GPU, 5 on the CPU.", least: 1);
        Command command = Create(context, "train", TrainHelp, [vocabulary, steps], (parsed, device, json) =>
        {
            TrainingConfiguration configuration = settings.Read(parsed) with { Device = device.ToString(), Steps = parsed.GetValue(steps) };
            TrainingReport.Run(context, configuration, parsed.GetValue(vocabulary), json);
        });
        settings.AddTo(command);
        return command;
    }

    private static Command Create(
        CliContext context, string name, string help, IEnumerable<Option> options, Action<ParseResult, Device, string?> run)
    {
        var json = new Option<string?>("--json") { Description = "Also write the rows to this file.", HelpName = "FILE" };
        Option<int?> threads = CommonOptions.Threads();
        Option<string?> deviceName = CommonOptions.Device();
        var command = new Command(name, help) { json, threads, deviceName };
        foreach (Option option in options)
        {
            command.Add(option);
        }

        command.SetAction(parsed =>
        {
            using IDisposable? limit = CommonOptions.LimitThreads(parsed.GetValue(threads));
            string? path = parsed.GetValue(json);
            if (path is not null)
            {
                CommonOptions.CheckWritable(path);
            }

            run(parsed, CommonOptions.ResolveDevice(context, parsed.GetValue(deviceName)), path);
            return CommandLineApplication.Success;
        });
        return command;
    }
}
