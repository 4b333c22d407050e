using DynConv.Cpu;
using DynConv.Cuda;
using DynConv.Diagnostics;
using DynConv.Training;
using DynConv.Training.Diagnostics;

namespace DynConv.Cli.Commands;

/// <summary>Prints what <see cref="TrainingBenchmark"/> finds.</summary>
internal static class TrainingReport
{
    private const int NameWidth = 18;
    private const double Gibibyte = 1 << 30;

    public static void Run(CliContext context, TrainingConfiguration configuration, int? vocabularySize, string? json)
    {
        using var benchmark = new TrainingBenchmark(configuration, vocabularySize);
        CommonOptions.Prepare(context, benchmark.Device, benchmark.ComputeType, benchmark.Prepare);
        TrainingTiming timing = benchmark.Measure();
        Print(context.Out, timing, benchmark.Device.IsCuda);
        JsonOutput.Write(json, [timing]);
    }

    internal static void Print(TextWriter output, TrainingTiming timing, bool isCuda)
    {
        DeviceCeilings ceilings = timing.Ceilings;
        string convolutions = timing.Placement.Count == 0
            ? "no convolutions"
            : $"{timing.Convolutions} convolutions on {string.Join(',', timing.Placement)}";
        string micro = timing.Accumulate > 1 ? $"{timing.Accumulate} x " : "";
        output.WriteLine($"{timing.Model}: {timing.Parameters:N0} parameters, {convolutions}, {timing.VocabularySize:N0} ids; {micro}{timing.Batch} x {timing.Context} tokens a step{(timing.IsPacked ? ", packed" : "")}; {timing.Optimizer}");
        output.WriteLine(isCuda
            ? $"{timing.DeviceName}, driver for CUDA {CudaInfo.Read().DriverVersion}; {timing.DType}; copy {ceilings.CopyGbPerS:N0} GB/s, matrix products {ceilings.ProductTflopPerS:N0} TFLOP/s"
            : $"{CpuSettings.Threads} threads, {CpuSettings.VectorBits}-bit vectors, {timing.DType}; copy {ceilings.CopyGbPerS:0.0} GB/s, matrix products {ceilings.ProductTflopPerS * 1e3:N0} GFLOP/s");
        output.WriteLine();
        Line("step", $"{timing.StepMs:0.00} ms, median of {timing.Steps} ({timing.FastestStepMs:0.00} to {timing.SlowestStepMs:0.00})");
        Line("speed", $"{timing.TokensPerSecond:N0} tokens/s");
        Line("arithmetic", $"{Rate(timing.TflopPerS)}, {timing.OfProduct:0.0%} of a large matrix product{Utilization(timing)}");
        Line("most memory", $"{timing.PeakBytes / Gibibyte:0.00} GiB, of {timing.ReservedBytes / Gibibyte:0.00} GiB taken");
        PrintKernels(output, timing);

        void Line(string label, string text) => output.WriteLine($"{label,-NameWidth}{text}");
    }

    private static void PrintKernels(TextWriter output, TrainingTiming timing)
    {
        if (timing.NotInKernelsMs is not { } rest)
        {
            return;
        }

        output.WriteLine();
        output.WriteLine("another step, kernel by kernel; shares of the median step");
        output.WriteLine($"{"",-NameWidth} {"launches",8} {"ms",8} {"share",6}");
        foreach (KernelGroupTime group in timing.Groups)
        {
            output.WriteLine($"{group.Group,-NameWidth} {group.Launches,8:N0} {group.Ms,8:0.00} {group.Share,6:0.0%}");
        }

        output.WriteLine($"{"not in kernels",-NameWidth} {"",8} {rest,8:0.00} {rest / timing.StepMs,6:0.0%}");
    }

    private static string Rate(double tflopPerS) => tflopPerS >= 1 ? $"{tflopPerS:0.0} TFLOP/s" : $"{tflopPerS * 1e3:0.0} GFLOP/s";

    private static string Utilization(TrainingTiming timing) => timing.Utilization is { } share
        ? $", {share:0.0%} of the card's {timing.PeakTflopPerS:N0} (MFU)"
        : "";
}
