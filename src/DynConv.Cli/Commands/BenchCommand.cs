using System.CommandLine;

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

    private const string MatMulHelp = """
        Times matrix products: on the CPU by the managed kernel and by OpenBLAS, on a GPU by cuBLASLt.

        Example:
          dynconv bench matmul
          dynconv bench matmul --device cuda
        """;

    private const string Help = """
        Measures the speed of this machine.

        Example:
          dynconv bench conv --json conv.json
          dynconv bench matmul
        """;

    public static Command Create(CliContext context) => new("bench", Help) { Convolutions(context), Products(context) };

    private static Command Convolutions(CliContext context)
    {
        var shapes = new ConvolutionTableOptions();
        return Create(context, "conv", ConvHelp, shapes.All, (parsed, device, json) =>
            ConvolutionReport.Run(context, device, shapes.Shapes(parsed, device), json));
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
            CommonOptions.ApplyThreads(parsed.GetValue(threads));
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
