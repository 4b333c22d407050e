using System.Runtime.InteropServices;
using DynConv.Cuda;

namespace DynConv.Ops;

/// <remarks>On a card a static convolution is a head-wise one without heads: the same kernels, compiled for that.</remarks>
public static partial class HeadWiseConvolution
{
    private const int BlockThreads = 256;
    private const long MostBlocksAlongY = 65_535;

    private static readonly HeadWiseKey[] Examples =
    [
        new(DType.BFloat16, DType.BFloat16, Width: 4, Channels: 8, Heads: 0, Lanes: 0, FilterPack: 1, StaticPack: 8, Residual: true, Packed: false),
        new(DType.BFloat16, DType.BFloat16, Width: 4, Channels: 4, Heads: 0, Lanes: 0, FilterPack: 1, StaticPack: 4, Residual: false, Packed: false),
        new(DType.BFloat16, DType.Float32, Width: 4, Channels: 8, Heads: 1, Lanes: 2, FilterPack: 4, StaticPack: 4, Residual: true, Packed: true),
        new(DType.BFloat16, null, Width: 4, Channels: 8, Heads: 2, Lanes: 1, FilterPack: 8, StaticPack: 0, Residual: false, Packed: false),
        new(DType.BFloat16, null, Width: 4, Channels: 2, Heads: 2, Lanes: 1, FilterPack: 8, StaticPack: 0, Residual: true, Packed: false),
        new(DType.BFloat16, DType.Float32, Width: 3, Channels: 1, Heads: 1, Lanes: 8, FilterPack: 1, StaticPack: 1, Residual: true, Packed: true),
        new(DType.Float32, DType.Float32, Width: 16, Channels: 2, Heads: 1, Lanes: 0, FilterPack: 4, StaticPack: 2, Residual: false, Packed: true),
        new(DType.Float32, DType.Float32, Width: 1, Channels: 4, Heads: 1, Lanes: 32, FilterPack: 1, StaticPack: 4, Residual: true, Packed: false),
    ];

    private static readonly KernelTable<HeadWiseKey> ForwardKernel = new(
        "head_wise_forward.cu",
        "head_wise_forward",
        key => key.ForwardMacros,
        [
            .. Examples,
            Examples[0] with { Finish = ConvolutionFinishKind.Biased },
            Examples[2] with { Finish = ConvolutionFinishKind.Silu },
            Examples[3] with { Finish = ConvolutionFinishKind.SiluGradient },
            Examples[6] with { Finish = ConvolutionFinishKind.SiluGradient },
        ]);

    private static readonly KernelTable<HeadWiseKey> BackwardKernel =
        new("head_wise_backward.cu", "head_wise_backward", key => key.BackwardMacros, Examples);

    private static readonly KernelTable<HeadWiseWeightGradientKey> WeightGradientKernel = new(
        "head_wise_weight_gradient.cu",
        "head_wise_weight_gradient",
        static key => key.Macros,
        new(DType.BFloat16, Width: 4, Lanes: 3, IsAligned: false, Pack: 4, IsPacked: false),
        new(DType.BFloat16, Width: 3, Lanes: 32, IsAligned: true, Pack: 1, IsPacked: true),
        new(DType.Float32, Width: 16, Lanes: 6, IsAligned: false, Pack: 4, IsPacked: true));

    /// <summary>Computes y.</summary>
    /// <param name="inputs">The convolution.</param>
    /// <param name="weight">The filters k, <c>[B, T, H, W]</c>; null in a static convolution.</param>
    /// <param name="finish">What becomes of the sums.</param>
    /// <param name="y">The result.</param>
    internal static void ForwardCuda(ConvolutionInputs inputs, Tensor? weight, ConvolutionFinish finish, Tensor y)
    {
        if (y.Count == 0)
        {
            return;
        }

        HeadWiseKey key = HeadWiseKey.Forward(inputs, weight, finish, y);
        long columns = inputs.Channels / key.Channels;
        long threads = (inputs.Sequences.Time + key.Tokens - 1) / key.Tokens * columns;
        long batch = inputs.Sequences.Batch;
        long along = Math.Min(batch, MostBlocksAlongY);
        var x = new KernelRows(inputs.X);
        var filters = new KernelHeadWiseFilters(weight, inputs.StaticWeight, inputs.Channels);
        var state = new KernelRows(inputs.InitialState);
        var to = new KernelRows(y);
        var sequences = new KernelSequences(inputs.Sequences, y.Device);
        var end = new KernelFinish(finish);
        ForwardKernel[y.Device, key].Launch(
            CudaGrid.Covering(threads, BlockThreads) with { Y = along, Z = (batch + along - 1) / along },
            KernelArgument.Of(in x),
            KernelArgument.Of(in filters),
            KernelArgument.Of(in state),
            KernelArgument.Of(in to),
            KernelArgument.Of(in sequences),
            KernelArgument.Of(in end),
            columns);
    }

    /// <summary>Computes the gradients that are wanted.</summary>
    /// <param name="inputs">The convolution.</param>
    /// <param name="weight">The filters k; null in a static convolution.</param>
    /// <param name="dy">The gradient of the sums over taps.</param>
    /// <param name="g">Where the gradients go.</param>
    /// <param name="weightInput">The place of k on the tape.</param>
    internal static void BackwardCuda(ConvolutionInputs inputs, Tensor? weight, Tensor dy, BackwardContext g, int weightInput)
    {
        using var targets = new ConvolutionTargets(inputs, dy, g);
        GradientRows weightGradient = weight is null ? default : targets.Own(weightInput, innerDimensions: 2);
        if (inputs.X.Count > 0)
        {
            LaunchBackward(inputs, weight, weightGradient, targets);
        }
        else
        {
            weightGradient.ClearUndefined();
        }

        ConvolutionState.AddInitialGradient(inputs, weight, null, null, targets.Dy, targets.State);
    }

    private static void LaunchBackward(ConvolutionInputs inputs, Tensor? weight, GradientRows weightGradient, ConvolutionTargets targets)
    {
        Device device = inputs.X.Device;
        HeadWiseKey key = HeadWiseKey.Backward(inputs, weight, targets.Dy, targets.X.Tensor, weightGradient.Tensor);
        bool isSeparate = weightGradient.Tensor is not null && key.Lanes == 0;
        CudaKernel kernel = BackwardKernel[device, key];
        var parts = HeadWiseParts.Of(inputs, key, kernel);
        var x = new KernelRows(inputs.X);
        var filters = new KernelHeadWiseFilters(weight, inputs.StaticWeight, inputs.Channels);
        var state = new KernelRows(inputs.InitialState);
        var sequences = new KernelSequences(inputs.Sequences, device);
        var gradients = new KernelHeadWiseGradients(
            targets.Dy, targets.X, isSeparate ? default : weightGradient, targets.StaticPartials(parts.BlocksAlong));
        kernel.Launch(
            new CudaGrid(parts.Blocks, HeadWiseKey.BackwardThreads),
            KernelArgument.Of(in x),
            KernelArgument.Of(in filters),
            KernelArgument.Of(in state),
            KernelArgument.Of(in gradients),
            KernelArgument.Of(in sequences),
            inputs.Channels,
            parts.Length,
            parts.Count);
        if (isSeparate)
        {
            LaunchWeightGradient(inputs, weightGradient, targets);
        }
    }

    private static void LaunchWeightGradient(ConvolutionInputs inputs, GradientRows gradient, ConvolutionTargets targets)
    {
        var key = HeadWiseWeightGradientKey.Of(inputs, targets.Dy, gradient.Tensor!);
        long heads = gradient.Tensor!.Shape[2];
        long batch = inputs.Sequences.Batch;
        long along = Math.Min(batch, MostBlocksAlongY);
        WeightGradientArguments arguments = new()
        {
            X = new(inputs.X),
            State = new(inputs.InitialState),
            Dy = new(targets.Dy),
            Dk = new(gradient.Tensor),
            Sequences = new(inputs.Sequences, inputs.X.Device),
            Heads = heads,
            HeadSize = inputs.Channels / heads,
            Accumulate = gradient.Accumulate ? 1 : 0,
        };
        WeightGradientKernel[inputs.X.Device, key].Launch(
            new CudaGrid(
                (key.BlocksAlongHeads(heads) * key.BlocksAlongTime(inputs.Sequences.Time), along, (batch + along - 1) / along),
                HeadWiseWeightGradientKey.Threads),
            KernelArgument.Of(in arguments));
    }

    [StructLayout(LayoutKind.Sequential)]
    [CudaStruct("head_wise_weight_gradient.cu", "WeightGradient")]
    private struct WeightGradientArguments
    {
        public KernelRows X;
        public KernelRows State;
        public KernelRows Dy;
        public KernelRows Dk;
        public KernelSequences Sequences;
        public long Heads;
        public long HeadSize;
        public long Accumulate;
    }
}

/// <summary><c>HeadWiseFilters</c> of head_wise_convolution.cuh.</summary>
[StructLayout(LayoutKind.Sequential)]
[CudaStruct("head_wise_convolution.cuh", "HeadWiseFilters")]
internal readonly struct KernelHeadWiseFilters(Tensor? heads, Tensor? staticWeight, long channels)
{
    private readonly KernelRows _heads = new(heads);
    private readonly nint _staticWeight = staticWeight?.Address ?? 0;
    private readonly long _staticStride = staticWeight?.Strides[0] ?? 0;
    private readonly long _headSize = heads is null ? 1 : channels / heads.Shape[2];
}

/// <summary><c>Gradients</c> of head_wise_backward.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
[CudaStruct("head_wise_backward.cu", "Gradients")]
internal readonly struct KernelHeadWiseGradients(Tensor dy, GradientRows x, GradientRows heads, Tensor? staticPartials)
{
    private readonly KernelRows _y = new(dy);
    private readonly KernelRows _x = new(x.Tensor);
    private readonly KernelRows _heads = new(heads.Tensor);
    private readonly nint _staticPartials = staticPartials?.Address ?? 0;
    private readonly int _accumulateX = x.Accumulate ? 1 : 0;
    private readonly int _accumulateHeads = heads.Accumulate ? 1 : 0;
}
