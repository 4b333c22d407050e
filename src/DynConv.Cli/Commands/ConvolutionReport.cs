using DynConv.Cpu;
using DynConv.Cuda;
using DynConv.Diagnostics;

namespace DynConv.Cli.Commands;

/// <summary>Prints the table of <see cref="ConvolutionBenchmark"/>.</summary>
internal static class ConvolutionReport
{
    private const int NameWidth = 34;

    public static void Run(CliContext context, Device device, IReadOnlyList<ConvolutionShape> shapes, string? json)
    {
        IEnumerable<ConvolutionTiming> timings = ConvolutionBenchmark.Run(shapes, device: device);
        List<ConvolutionTiming> rows = device.IsCuda ? PrintForCard(context, device, timings) : PrintForCpu(context, timings);
        JsonOutput.Write(json, rows);
    }

    private static List<ConvolutionTiming> PrintForCpu(CliContext context, IEnumerable<ConvolutionTiming> timings)
    {
        context.Out.WriteLine(
            $"{CpuSettings.Threads} threads, {CpuSettings.VectorBits}-bit vectors; medians; shares of the copy bandwidth measured beside each row");
        context.Out.WriteLine(
            $"{"op",-9} {"B",2} {"T",5} {"D",5} {"W",2} {"R",3} {"head",4} {"static",-6} {"resid.",-6} {"forward us",11} {"fwd+bwd us",11} {"copy GB/s",9} {"forward",8} {"fwd+bwd",8}");
        var rows = new List<ConvolutionTiming>();
        foreach (ConvolutionTiming row in timings)
        {
            rows.Add(row);
            context.Out.WriteLine(
                $"{row.Op,-9} {row.Batch,2} {row.Time,5} {row.Channels,5} {row.Width,2} {OrDash(row.Rank),3} {OrDash(row.HeadSize),4} {YesNo(row.Static),-6} {YesNo(row.Residual),-6} {row.ForwardUs,11:N0} {row.ForwardBackwardUs,11:N0} {row.CopyGbPerS,9:0.0} {row.ForwardShare,8:P0} {row.ForwardBackwardShare,8:P0}{NotWhole(row)}");
        }

        return rows;
    }

    private static List<ConvolutionTiming> PrintForCard(CliContext context, Device device, IEnumerable<ConvolutionTiming> timings)
    {
        var rows = new List<ConvolutionTiming>();
        foreach (ConvolutionTiming row in timings)
        {
            if (rows.Count == 0)
            {
                PrintCardHead(context, device, row);
            }

            rows.Add(row);
            context.Out.WriteLine(
                $"{Name(row, rows[0]),-NameWidth} {row.ForwardUs,6:0.0} {row.ForwardFloorUs,6:0.0} {row.ForwardGbPerS,6:N0} {row.ForwardShare,5:0%} {row.ForwardBackwardUs,7:0.0} {row.FloorUs,6:0.0} {row.ForwardBackwardGbPerS,6:N0} {row.ForwardBackwardShare,5:0%}");
        }

        return rows;
    }

    private static void PrintCardHead(CliContext context, Device device, ConvolutionTiming first)
    {
        context.Out.WriteLine($"{device.Name}, driver for CUDA {CudaInfo.Read().DriverVersion}; copy {first.CopyGbPerS:N0} GB/s");
        context.Out.WriteLine($"B={first.Batch} T={first.Time} W={first.Width} {first.DType} where a row says nothing else");
        context.Out.WriteLine("kernel time in us, medians; floor: every tensor once, at the copy's speed");
        context.Out.WriteLine();
        context.Out.WriteLine($"{"",-NameWidth} {"forward",-26} {"forward + backward",-27}".TrimEnd());
        context.Out.WriteLine(
            $"{"",-NameWidth} {"us",6} {"floor",6} {"GB/s",6} {"copy",5} {"us",7} {"floor",6} {"GB/s",6} {"copy",5}");
    }

    /// <summary>A row in words; of what all share, only where it departs from the first one.</summary>
    private static string Name(ConvolutionTiming row, ConvolutionTiming first)
    {
        string name = row.Op switch
        {
            "lowrank" => $"low-rank {row.Rank}{(row.Static ? " + static" : "")}",
            "headwise" => $"head-wise {row.HeadSize}{(row.Static ? " + static" : "")}",
            _ => "static",
        };
        return name
            + (row.Residual ? " + x" : "")
            + $", D={row.Channels}"
            + Departure("B", row.Batch, first.Batch)
            + Departure("T", row.Time, first.Time)
            + NotWhole(row);
    }

    private static string Departure(string letter, long value, long usual) => value == usual ? "" : $" {letter}={value}";

    private static string NotWhole(ConvolutionTiming row) => row.Layout == "whole" ? "" : $" {row.Layout}";

    private static string OrDash(long value) => value == 0 ? "-" : value.ToString();

    private static string YesNo(bool value) => value ? "yes" : "no";
}
