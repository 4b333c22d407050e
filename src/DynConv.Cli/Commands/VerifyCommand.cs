using System.CommandLine;
using DynConv.Models;
using DynConv.Diagnostics;
using DynConv.Models.Conformance;

namespace DynConv.Cli.Commands;

/// <summary><c>dynconv verify</c></summary>
internal static class VerifyCommand
{
    private const string Help = """
        Compares results and gradients with conformance vectors.

        Each line ends with the largest error and the tensor that has it.

        With --dtype bfloat16 they are compared with float32 where inputs and the results of ops are rounded to bfloat16,
        and the vectors with float32 that rounds nothing, both computed on the CPU. Lines also say how far rounding alone
        moves a vector.

        Example:
          dynconv verify tests/golden
          dynconv verify tests/golden --device cuda --dtype bfloat16
        """;

    public static Command Create(CliContext context)
    {
        var paths = new Argument<string[]>("PATH") { Description = "Vector files, model folders, or folders of them.", Arity = ArgumentArity.OneOrMore };
        Option<string?> device = CommonOptions.Device();
        Option<string> computeType = CommonOptions.ComputeType("float32 on any device, as the vectors are");
        var command = new Command("verify", Help) { paths, device, computeType };
        command.SetAction(parsed =>
        {
            Device resolved = CommonOptions.ResolveDevice(context, parsed.GetValue(device));
            DType dtype = ComputeTypes.Parse(parsed.GetValue(computeType) ?? DType.Float32.Name(), resolved);
            string[] given = parsed.GetValue(paths)!;
            CommonOptions.Prepare(context, resolved, dtype, () => ConformanceRunner.Prepare(given, resolved, dtype));
            return Verify(context, given, resolved, dtype);
        });
        return command;
    }

    private static int Verify(CliContext context, string[] paths, Device device, DType dtype)
    {
        var counts = new Dictionary<ConformanceOutcome, int>();
        foreach (ConformanceResult result in ConformanceRunner.Run(paths, device, dtype))
        {
            counts[result.Outcome] = counts.GetValueOrDefault(result.Outcome) + 1;
            context.Out.WriteLine(result.Outcome switch
            {
                ConformanceOutcome.Passed => $"ok    {result.Name,-48} {result.LargestError:0.0e+00}  {result.Detail}{Shift(result)}",
                ConformanceOutcome.Failed => $"FAIL  {result.Name,-48} {result.LargestError:0.0e+00}  {result.Detail}{Shift(result)}",
                _ => $"skip  {result.Name,-48}          {result.Detail}",
            });
        }

        int failed = counts.GetValueOrDefault(ConformanceOutcome.Failed);
        int passed = counts.GetValueOrDefault(ConformanceOutcome.Passed);
        context.Out.WriteLine($"{passed} passed, {failed} failed, {counts.GetValueOrDefault(ConformanceOutcome.Skipped)} skipped");
        if (failed == 0 && passed > 0)
        {
            return CommandLineApplication.Success;
        }

        context.Error.WriteLine(failed > 0 ? $"error: {failed} vectors are outside their limits." : "error: No vector could be compared.");
        return CommandLineApplication.Failure;
    }

    private static string Shift(ConformanceResult result) =>
        result.RoundingShift is { } shift ? $"; rounding alone moves it by {shift:0.0e+00}" : "";
}
