using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using DynConv.Cuda;

namespace DynConv.Ops;

public sealed partial class ConvolutionStep
{
    private const int Threads = 128;
    private const int MostTogether = 4;
    private const int MostFilters = 32; // taps of all sequences that a thread has registers for
    private const long MostBlocksAlongY = 65_535;

    private static readonly KernelTable<(ConvolutionTypes Types, int Sequences, ConvolutionFinishKind Finish)> Kernel = new(
        "convolution_step.cu",
        "convolution_step",
        key => [.. KernelTokenFilters.Macros(key.Types), ("CONVOLUTIONS", MostTogether), ("SEQUENCES", key.Sequences), KernelFinish.Macro(key.Finish)],
        (new(DType.Float32, DType.Float32, DType.Float32, 4), 1, ConvolutionFinishKind.Plain),
        (new(DType.BFloat16, DType.Float32, DType.BFloat16, 3), 8, ConvolutionFinishKind.Silu),
        (new(DType.BFloat16, DType.BFloat16, DType.Float32, 1), 2, ConvolutionFinishKind.Biased),
        (new(DType.BFloat16, DType.Float32, DType.Float32, 16), 2, ConvolutionFinishKind.Plain));

    private static void RunCuda(ReadOnlySpan<ConvolutionStep> steps, Tensor[] results)
    {
        int first = 0;
        while (first < steps.Length)
        {
            int count = 1;
            while (first + count < steps.Length && count < MostTogether && steps[first].GoesWith(steps[first + count]))
            {
                count++;
            }

            if (results[first].Device.IsCuda)
            {
                Launch(steps.Slice(first, count), results.AsSpan(first, count));
            }

            first += count;
        }
    }

    private bool GoesWith(ConvolutionStep other) =>
        ReferenceEquals(_inputs.X.Device, other._inputs.X.Device)
        && _inputs.X.Shape[0] == other._inputs.X.Shape[0]
        && Key() == other.Key();

    private (ConvolutionTypes Types, int Sequences, ConvolutionFinishKind Finish) Key()
    {
        int sequences = 1;
        while (sequences < _inputs.X.Shape[0] && 2 * sequences * _inputs.Width <= MostFilters && sequences < 8)
        {
            sequences *= 2;
        }

        return (ConvolutionTypes.Of(_inputs, _learned), sequences, _inputs.Finish.Kind);
    }

    private static void Launch(ReadOnlySpan<ConvolutionStep> steps, ReadOnlySpan<Tensor> results)
    {
        (ConvolutionTypes Types, int Sequences, ConvolutionFinishKind Finish) key = steps[0].Key();
        var arguments = new StepArguments { Batch = results[0].Shape[0] };
        long blocks = 0;
        for (int i = 0; i < MostTogether; i++)
        {
            arguments.Convolutions[i].FirstBlock = long.MaxValue;
            if (i < steps.Length)
            {
                steps[i].Describe(ref arguments.Convolutions[i], results[i], blocks);
                blocks += (results[i].Shape[1] + Threads - 1) / Threads;
            }
        }

        if (blocks == 0 || arguments.Batch == 0)
        {
            return;
        }

        long along = Math.Min(MostBlocksAlongY, (arguments.Batch + key.Sequences - 1) / key.Sequences);
        Kernel[results[0].Device, key].Launch(new CudaGrid(blocks, Threads) with { Y = along }, KernelArgument.Of(in arguments));
    }

    private void Describe(ref StepConvolution to, Tensor y, long firstBlock)
    {
        using var scope = new TensorScope();
        to.X = new(_inputs.X);
        to.State = new(_inputs.InitialState);
        to.Y = new(y.Reshape(_inputs.X.Shape.Dimensions));
        to.Filters = new(_inputs, _weight, _factors, _learned);
        to.Finish = new(_inputs.Finish);
        to.FirstBlock = firstBlock;
    }

    [StructLayout(LayoutKind.Sequential)]
    [CudaStruct("convolution_step.cu", "StepConvolution")]
    private struct StepConvolution
    {
        public KernelRows X;
        public KernelRows State;
        public KernelRows Y;
        public KernelTokenFilters Filters;
        public KernelFinish Finish;
        public long FirstBlock;
    }

    [StructLayout(LayoutKind.Sequential)]
    [CudaStruct("convolution_step.cu", "ConvolutionSteps")]
    private struct StepArguments
    {
        [CudaField("convolutions[0]")]
        public StepConvolution First;

        [CudaField("convolutions[1]")]
        public StepConvolution Second;

        [CudaField("convolutions[2]")]
        public StepConvolution Third;

        [CudaField("convolutions[3]")]
        public StepConvolution Fourth;

        public long Batch;

        [UnscopedRef]
        public Span<StepConvolution> Convolutions => MemoryMarshal.CreateSpan(ref First, MostTogether);
    }
}
