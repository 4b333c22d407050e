using DynConv.Cpu;
using DynConv.Diagnostics;

namespace DynConv.Cli.Commands;

/// <summary>Prints the table of <see cref="ConvolutionBenchmark"/>.</summary>
internal static class ConvolutionReport
{
    public static void Run(CliContext context, string? json)
    {
        context.Out.WriteLine(
            $"{CpuSettings.Threads} threads, {CpuSettings.VectorBits}-bit vectors; medians; shares of the copy bandwidth measured beside each row");
        context.Out.WriteLine(
            $"{"op",-9} {"B",2} {"T",5} {"D",5} {"W",2} {"R",3} {"head",4} {"static",-6} {"resid.",-6} {"forward us",11} {"fwd+bwd us",11} {"copy GB/s",9} {"forward",8} {"fwd+bwd",8}");
        var rows = new List<ConvolutionTiming>();
        foreach (ConvolutionTiming row in ConvolutionBenchmark.Run())
        {
            rows.Add(row);
            context.Out.WriteLine(
                $"{row.Op,-9} {row.Batch,2} {row.Time,5} {row.Channels,5} {row.Width,2} {OrDash(row.Rank),3} {OrDash(row.HeadSize),4} {YesNo(row.Static),-6} {YesNo(row.Residual),-6} {row.ForwardUs,11:N0} {row.ForwardBackwardUs,11:N0} {row.CopyGbPerS,9:0.0} {row.ForwardShare,8:P0} {row.ForwardBackwardShare,8:P0}");
        }

        JsonOutput.Write(json, rows);
    }

    private static string OrDash(long value) => value == 0 ? "-" : value.ToString();

    private static string YesNo(bool value) => value ? "yes" : "no";
}
