using DynConv.Cuda;

namespace DynConv.Ops;

/// <summary>Head-wise and static convolutions on a card: the launches.</summary>
internal static class HeadWiseKernels
{
    /// <summary>Threads of a block of the backward kernel.</summary>
    public const int Threads = 32 * HeadWiseKey.Warps;

    // Of the other kernels.
    private const int BlockThreads = 256;
    private const long MostBlocksAlongY = 65_535;

    private static readonly HeadWiseKey[] Examples =
    [
        new(DType.BFloat16, DType.BFloat16, 4, 8, 0, 0, 1, 8, true, false),
        new(DType.BFloat16, DType.BFloat16, 4, 4, 0, 0, 1, 4, false, false),
        new(DType.BFloat16, DType.Float32, 4, 8, 1, 2, 4, 4, true, true),
        new(DType.BFloat16, null, 4, 8, 2, 1, 8, 0, false, false),
        new(DType.BFloat16, null, 4, 2, 2, 1, 8, 0, true, false),
        new(DType.BFloat16, DType.Float32, 3, 1, 1, 8, 1, 1, true, true),
        new(DType.Float32, DType.Float32, 16, 2, 1, 0, 4, 2, false, true),
        new(DType.Float32, DType.Float32, 1, 4, 1, 32, 1, 4, true, false),
    ];

    private static readonly KernelTable<HeadWiseKey> ForwardKernel =
        new("head_wise_forward.cu", "head_wise_forward", key => key.ForwardMacros, Examples);

    private static readonly KernelTable<HeadWiseKey> BackwardKernel =
        new("head_wise_backward.cu", "head_wise_backward", key => key.BackwardMacros, Examples);

    private static readonly KernelTable<(DType Type, DType Static, int Width)> WeightGradientKernel = new(
        "head_wise_gradients.cu", "head_wise_weight_gradient", SmallMacros, (DType.BFloat16, DType.Float32, 4));

    private static readonly KernelTable<(DType Type, DType Static, int Width)> StateGradientKernel = new(
        "head_wise_gradients.cu", "head_wise_state_gradient", SmallMacros, (DType.Float32, DType.Float32, 16));

    /// <summary>Computes y.</summary>
    /// <param name="inputs">The convolution.</param>
    /// <param name="weight">The filters k, <c>[B, T, H, W]</c>; null in a static convolution.</param>
    /// <param name="y">The result.</param>
    public static void Forward(ConvolutionInputs inputs, Tensor? weight, Tensor y)
    {
        if (y.Count == 0)
        {
            return;
        }

        HeadWiseKey key = HeadWiseKey.Forward(inputs, weight, y);
        long columns = inputs.Channels / key.Channels;
        long threads = (inputs.Sequences.Time + key.Tokens - 1) / key.Tokens * columns;
        long batch = inputs.Sequences.Batch;
        long along = Math.Min(batch, MostBlocksAlongY);
        var x = new KernelRows(inputs.X);
        var filters = new KernelFilters(weight, inputs.StaticWeight, inputs.Channels);
        var state = new KernelRows(inputs.InitialState);
        var to = new KernelRows(y);
        var sequences = new KernelSequences(inputs.Sequences, y.Device);
        ForwardKernel[y.Device, key].Launch(
            CudaGrid.Covering(threads, BlockThreads) with { Y = along, Z = (batch + along - 1) / along },
            KernelArgument.Of(in x),
            KernelArgument.Of(in filters),
            KernelArgument.Of(in state),
            KernelArgument.Of(in to),
            KernelArgument.Of(in sequences),
            columns);
    }

    /// <summary>Computes the gradients that are wanted.</summary>
    /// <param name="inputs">The convolution.</param>
    /// <param name="weight">The filters k; null in a static convolution.</param>
    /// <param name="g">Where the gradients come from and go to.</param>
    /// <param name="weightInput">The place of k on the tape.</param>
    public static void Backward(ConvolutionInputs inputs, Tensor? weight, BackwardContext g, int weightInput)
    {
        using var targets = new ConvolutionTargets(inputs, g);
        GradientRows weightGradient = weight is null ? default : targets.Own(weightInput, innerDimensions: 2);
        if (inputs.X.Count > 0)
        {
            Main(inputs, weight, weightGradient, targets);
        }
        else if (!weightGradient.Accumulate)
        {
            weightGradient.Tensor?.Clear();
        }

        if (targets.State.Tensor is { Count: > 0 })
        {
            State(inputs, weight, targets);
        }
    }

    private static void Main(ConvolutionInputs inputs, Tensor? weight, GradientRows weightGradient, ConvolutionTargets targets)
    {
        Device device = inputs.X.Device;
        HeadWiseKey key = HeadWiseKey.Backward(inputs, weight, targets.Dy, targets.X.Tensor, weightGradient.Tensor);
        bool isSeparate = weightGradient.Tensor is not null && key.Lanes == 0;
        CudaKernel kernel = BackwardKernel[device, key];
        var parts = HeadWiseParts.Of(inputs, key, kernel);
        var x = new KernelRows(inputs.X);
        var filters = new KernelFilters(weight, inputs.StaticWeight, inputs.Channels);
        var state = new KernelRows(inputs.InitialState);
        var sequences = new KernelSequences(inputs.Sequences, device);
        var gradients = new KernelGradients(
            targets.Dy, targets.X, isSeparate ? default : weightGradient, targets.StaticPartials(parts.BlocksAlong));
        kernel.Launch(
            new CudaGrid(parts.Blocks, Threads),
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
            Weight(inputs, weightGradient, targets);
        }
    }

    private static void Weight(ConvolutionInputs inputs, GradientRows gradient, ConvolutionTargets targets)
    {
        long heads = gradient.Tensor!.Shape[2];
        var x = new KernelRows(inputs.X);
        var state = new KernelRows(inputs.InitialState);
        var dy = new KernelRows(targets.Dy);
        var dk = new KernelRows(gradient.Tensor);
        var sequences = new KernelSequences(inputs.Sequences, inputs.X.Device);
        WeightGradientKernel[inputs.X.Device, SmallKey(inputs)].Launch(
            CudaGrid.Covering(inputs.Sequences.Tokens * heads * 32, BlockThreads),
            KernelArgument.Of(in x),
            KernelArgument.Of(in state),
            KernelArgument.Of(in dy),
            KernelArgument.Of(in dk),
            KernelArgument.Of(in sequences),
            heads,
            inputs.Channels / heads,
            gradient.Accumulate ? 1 : 0);
    }

    private static void State(ConvolutionInputs inputs, Tensor? weight, ConvolutionTargets targets)
    {
        var k = new KernelRows(weight);
        var dy = new KernelRows(targets.Dy);
        var dState = new KernelRows(targets.State.Tensor);
        var sequences = new KernelSequences(inputs.Sequences, inputs.X.Device);
        StateGradientKernel[inputs.X.Device, SmallKey(inputs)].Launch(
            CudaGrid.Covering(targets.State.Tensor!.Count, BlockThreads),
            KernelArgument.Of(in k),
            inputs.StaticWeight,
            inputs.StaticWeight?.Strides[0] ?? 0,
            KernelArgument.Of(in dy),
            KernelArgument.Of(in dState),
            KernelArgument.Of(in sequences),
            inputs.Channels,
            weight is null ? 1 : inputs.Channels / weight.Shape[2],
            targets.State.Accumulate ? 1 : 0);
    }

    private static (DType Type, DType Static, int Width) SmallKey(ConvolutionInputs inputs) =>
        (inputs.X.DType, inputs.StaticWeight?.DType ?? inputs.X.DType, inputs.Width);

    private static (string Name, object Value)[] SmallMacros((DType Type, DType Static, int Width) key) =>
        [("ELEMENT", key.Type.CudaName()), ("STATIC", key.Static.CudaName()), ("WIDTH", key.Width)];
}
