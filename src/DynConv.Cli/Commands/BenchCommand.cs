using System.CommandLine;

namespace DynConv.Cli.Commands;

/// <summary><c>dynconv bench</c></summary>
internal static class BenchCommand
{
    private const string ConvHelp = """
        Times the short convolutions beside the machine's copy bandwidth.

        Example:
          dynconv bench conv --json conv.json
        """;

    private const string MatMulHelp = """
        Times matrix products, by the managed kernel and by OpenBLAS.

        Example:
          dynconv bench matmul
        """;

    private const string Help = """
        Measures the speed of this machine.

        Example:
          dynconv bench conv --json conv.json
          dynconv bench matmul
        """;

    public static Command Create(CliContext context) => new("bench", Help)
    {
        Create("conv", ConvHelp, json => ConvolutionReport.Run(context, json)),
        Create("matmul", MatMulHelp, json => MatMulReport.Run(context, json)),
    };

    private static Command Create(string name, string help, Action<string?> run)
    {
        var json = new Option<string?>("--json") { Description = "Also write the rows to this file.", HelpName = "FILE" };
        Option<int?> threads = CommonOptions.Threads();
        Option<string?> device = CommonOptions.Device();
        var command = new Command(name, help) { json, threads, device };
        command.SetAction(parsed =>
        {
            CommonOptions.ApplyThreads(parsed.GetValue(threads));
            if (parsed.GetValue(device) is not (null or "auto" or "cpu"))
            {
                throw new DynConvException("This version times the CPU only; use --device cpu or leave it out.");
            }

            if (parsed.GetValue(json) is { } path)
            {
                CommonOptions.CheckWritable(path);
            }

            run(parsed.GetValue(json));
            return CommandLineApplication.Success;
        });
        return command;
    }
}
