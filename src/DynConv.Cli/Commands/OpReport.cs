using DynConv.Cpu;
using DynConv.Cuda;
using DynConv.Diagnostics;

namespace DynConv.Cli.Commands;

/// <summary>Prints the table of <see cref="OpBenchmark"/>.</summary>
internal static class OpReport
{
    private const int NameWidth = 20;
    private const int SizesWidth = 34;

    public static void Run(CliContext context, IEnumerable<OpTiming> timings, Device device, string? json)
    {
        var rows = new List<OpTiming>();
        foreach (OpTiming row in timings)
        {
            if (rows.Count == 0)
            {
                PrintHead(context, device, row);
            }

            rows.Add(row);
            context.Out.WriteLine(
                $"{row.Op,-NameWidth} {row.Sizes,-SizesWidth} {Us(row.ForwardUs),9} {Us(row.ForwardFloorUs),9} {row.ForwardShare,6:0%} {Us(row.ForwardBackwardUs),10} {Us(row.ForwardBackwardFloorUs),9} {row.ForwardBackwardShare,6:0%}  {row.Bound}");
        }

        JsonOutput.Write(json, rows);
    }

    private static void PrintHead(CliContext context, Device device, OpTiming first)
    {
        context.Out.WriteLine(device.IsCuda
            ? $"{device.Name}, driver for CUDA {CudaInfo.Read().DriverVersion}; {first.DType}; copy {first.CopyGbPerS:N0} GB/s, matrix products {first.ProductTflopPerS:N0} TFLOP/s"
            : $"{CpuSettings.Threads} threads, {CpuSettings.VectorBits}-bit vectors, {first.DType}; copy some {first.CopyGbPerS:0.0} GB/s, measured beside each row; matrix products {first.ProductTflopPerS * 1e3:N0} GFLOP/s");
        context.Out.WriteLine("medians in us; floor: about the least, every tensor once at the copy's speed or all arithmetic at a large matrix product's");
        context.Out.WriteLine();
        context.Out.WriteLine($"{"",-NameWidth} {"",-SizesWidth} {"forward",-26} forward + backward");
        context.Out.WriteLine(
            $"{"op",-NameWidth} {"",-SizesWidth} {"us",9} {"floor",9} {"share",6} {"us",10} {"floor",9} {"share",6}  bound by");
    }

    private static string Us(double? us) => us is null ? "-" : us < 100 ? $"{us:0.0}" : $"{us:N0}";
}
