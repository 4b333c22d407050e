using System.Runtime.InteropServices;
using DynConv.Cuda;

namespace DynConv.Ops;

/// <summary>
/// The low-rank convolution in bfloat16 on tensor cores, for what occurs in training: rows aligned to 16 bytes, any number
/// of tokens, up to eight taps. A token's result does not depend on how many there are. What does not suit, <see cref="LowRankConvolution"/> computes in another way.
/// </summary>
internal static class LowRankTensorCores
{
    private const int VectorBytes = 16;
    private const int Vector = 8; // bfloat16 in so many bytes
    private const int PaddingThreads = 256;

    // What a block does before its first result and behind its last is worth about so many tokens of a run.
    private const int ForwardLead = 4;
    private const int BackwardLead = 6;

    private static readonly KernelTable<(LowRankTiling Tiling, LowRankTypes Types, ConvolutionFinishKind Finish)> ForwardKernel = new(
        "low_rank_forward_tensor.cu",
        "low_rank_forward_tensor",
        key => [.. key.Tiling.ForwardMacros(key.Types), KernelFinish.Macro(key.Finish)],
        (new(4, 1, 4, 8, 2, 1, 2), new(DType.Float32, DType.Float32, false), ConvolutionFinishKind.Plain),
        (new(4, 1, 4, 8, 2, 1, 2), new(DType.Float32, DType.Float32, false), ConvolutionFinishKind.Silu),
        (new(4, 1, 4, 8, 2, 1, 2), new(DType.Float32, DType.Float32, false), ConvolutionFinishKind.SiluGradient),
        (new(8, 2, 4, 4, 2, 1, 1), new(DType.BFloat16, DType.Float32, true), ConvolutionFinishKind.Plain));

    private static readonly KernelTable<(LowRankTiling Tiling, LowRankTypes Types, bool Inputs, bool Accumulate)> BackwardKernel = new(
        "low_rank_backward_tensor.cu",
        "low_rank_backward_tensor",
        key => key.Tiling.BackwardMacros(key.Types, key.Inputs, key.Accumulate),
        (new(4, 1, 4, 16, 8, 2, 1), new(DType.Float32, DType.Float32, false), true, false),
        (new(4, 2, 4, 8, 4, 2, 1), new(DType.BFloat16, DType.Float32, true), true, true),
        (new(8, 1, 2, 16, 8, 2, 1), new(DType.Float32, DType.BFloat16, true), false, false));

    private static readonly KernelTable<long> PaddingKernel = new(
        "low_rank_padding.cu", "low_rank_padding", wide => [("WIDE", wide)], 16);

    /// <summary>Convolves; false, and nothing done, if the arguments do not suit.</summary>
    public static bool Forward(ConvolutionInputs inputs, Tensor z, Tensor u, ConvolutionFinish finish, Tensor y)
    {
        CudaContext context = y.Device.Context;
        if (!Suits(inputs, u, y, finish.Dy) || LowRankTiling.Forward(inputs.Width, u.Shape[0], context.MaximumSharedBytes) is not { } tiling)
        {
            return false;
        }

        TokenSequences sequences = inputs.Sequences;
        LowRankTypes types = LowRankTypes.Of(inputs, u);
        Tensor factors = Padded(z, tiling.Ranks);
        int run = tiling.Run(sequences.Batch, sequences.Time, inputs.Channels, context.Multiprocessors, ForwardLead);
        ForwardArguments arguments = new()
        {
            X = new(inputs.X),
            Z = new(factors),
            Y = new(y),
            State = new(inputs.InitialState),
            Sequences = new(sequences, y.Device),
            Weights = new(inputs, u, 0, u.Shape[0]),
            Finish = new(finish),
            Channels = checked((int)inputs.Channels),
            Run = run,
        };
        long blocks = tiling.BlocksAlongChannels(inputs.Channels) * sequences.Batch * tiling.BlocksAlongTime(sequences.Time, run);
        ForwardKernel[y.Device, (tiling, types, finish.Kind)].Launch(
            new CudaGrid(blocks, tiling.Threads, tiling.ForwardBytes), KernelArgument.Of(in arguments));
        return true;
    }

    /// <summary>All gradients but the initial state's; false, and nothing done, if the arguments do not suit.</summary>
    public static bool Backward(
        ConvolutionInputs inputs,
        Tensor z,
        Tensor u,
        Tensor dy,
        in GradientRows dx,
        in GradientRows dz,
        in GradientRows du,
        in GradientRows ds)
    {
        long rank = u.Shape[0];
        bool sums = dz.Tensor is not null || du.Tensor is not null || ds.Tensor is not null;
        if (!sums
            || !Suits(inputs, u, dy, dx.Tensor)
            || LowRankTiling.Backward(inputs.Width, rank, dy.Device.Context.MaximumSharedBytes) is not { } tiling)
        {
            return false;
        }

        // dx needs the filters of all ranks together: where they come in several launches, another kernel computes it.
        bool isWhole = rank <= tiling.Ranks;
        if (!isWhole && dx.Tensor is not null)
        {
            LowRankConvolution.Convolve(inputs, z, u, dy, dx.Tensor, backward: true, dx.Accumulate);
        }

        Tensor factors = Padded(z, (rank + tiling.Ranks - 1) / tiling.Ranks * tiling.Ranks);
        for (long first = 0; first < rank; first += tiling.Ranks)
        {
            long count = Math.Min(tiling.Ranks, rank - first);
            Launch(tiling, inputs, factors, u, first, count, dy, isWhole ? dx : default, dz, du, first == 0 ? ds : default);
        }

        return true;
    }

    private static void Launch(
        LowRankTiling tiling,
        ConvolutionInputs inputs,
        Tensor z,
        Tensor u,
        long firstRank,
        long ranks,
        Tensor dy,
        GradientRows dx,
        GradientRows dz,
        GradientRows du,
        GradientRows ds)
    {
        Device device = dy.Device;
        TokenSequences sequences = inputs.Sequences;
        long channels = inputs.Channels;
        int run = tiling.Run(sequences.Batch, sequences.Time, channels, device.Context.Multiprocessors, BackwardLead);
        long channelBlocks = tiling.BlocksAlongChannels(channels);
        long tokenBlocks = sequences.Batch * tiling.BlocksAlongTime(sequences.Time, run);
        Tensor zSums = Tensor.Empty([channelBlocks, sequences.Tokens, tiling.Ranks], DType.Float32, device);
        Tensor uSums = Tensor.Empty([tokenBlocks, ranks, tiling.Width * channels], DType.Float32, device);
        Tensor staticSums = Tensor.Empty([tokenBlocks, tiling.Width, channels], DType.Float32, device);
        BackwardArguments arguments = new()
        {
            X = new(inputs.X),
            Z = new(z.Slice(-1, firstRank, tiling.Ranks)),
            Dy = new(dy),
            Dx = new(dx.Tensor),
            State = new(inputs.InitialState),
            Sequences = new(sequences, device),
            Weights = new(inputs, u, firstRank, ranks),
            ZSums = zSums.Address,
            USums = uSums.Address,
            StaticSums = staticSums.Address,
            Channels = checked((int)channels),
            Run = run,
        };
        BackwardKernel[device, (tiling, LowRankTypes.Of(inputs, u), dx.Tensor is not null, dx.Accumulate)].Launch(
            new CudaGrid(channelBlocks * tokenBlocks, tiling.Threads, tiling.BackwardBytes), KernelArgument.Of(in arguments));
        PartialSums.StoreRows(
            device,
            dz.Tensor is null ? default : new PartialRows(zSums, dz.Tensor.Slice(-1, firstRank, ranks), dz.Accumulate),
            du.Tensor is null ? default : new PartialRows(uSums, du.Tensor.Slice(0, firstRank, ranks), du.Accumulate),
            ds.Tensor is null ? default : new PartialRows(staticSums, ds.Tensor, ds.Accumulate));
    }

    private static bool Suits(ConvolutionInputs inputs, Tensor u, params ReadOnlySpan<Tensor?> rows)
    {
        bool suits = inputs.X.DType == DType.BFloat16
            && inputs.Channels % Vector == 0
            && inputs.Channels <= int.MaxValue
            && (inputs.Sequences.Packed is null || inputs.InitialState is null)
            && KernelRows.Pack(u, VectorBytes / u.DType.SizeInBytes(), outerDimensions: 1) == VectorBytes / u.DType.SizeInBytes()
            && KernelRows.Pack(inputs.X, Vector) == Vector
            && KernelRows.Pack(inputs.InitialState, Vector) == Vector;
        foreach (Tensor? tensor in rows)
        {
            suits = suits && KernelRows.Pack(tensor, Vector) == Vector;
        }

        return suits;
    }

    /// <summary>Factors in aligned rows of <paramref name="ranks"/>, zeros behind the last: a copy if they do not lie so.</summary>
    private static Tensor Padded(Tensor z, long ranks)
    {
        (long batch, long time, long rank) = (z.Shape[0], z.Shape[1], z.Shape[2]);
        if (rank == ranks && KernelRows.Pack(z, Vector) == Vector)
        {
            return z;
        }

        Tensor padded = Tensor.Empty([batch, time, ranks], z.DType, z.Device);
        PaddingArguments arguments = new() { Z = new(z), To = padded.Address, Batch = batch, Time = time, Rank = rank };
        PaddingKernel[z.Device, ranks].Launch(
            CudaGrid.Covering(padded.Count, PaddingThreads), KernelArgument.Of(in arguments));
        return padded;
    }

    /// <summary><c>Weights</c> of low_rank_tiles.cuh: some of the learned filters, and the static weight.</summary>
    [StructLayout(LayoutKind.Sequential)]
    [CudaStruct("low_rank_tiles.cuh", "Weights")]
    private readonly struct Weights(ConvolutionInputs inputs, Tensor u, long firstRank, long ranks)
    {
        private readonly nint _u = u.Address + checked((nint)(firstRank * u.Strides[0] * u.DType.SizeInBytes()));
        private readonly long _uStride = u.Strides[0];
        private readonly nint _s = inputs.StaticWeight?.Address ?? 0;
        private readonly long _sStride = inputs.StaticWeight?.Strides[0] ?? 0;
        private readonly int _rank = checked((int)ranks);
        private readonly int _residual = inputs.Residual ? 1 : 0;
    }

    [StructLayout(LayoutKind.Sequential)]
    [CudaStruct("low_rank_forward_tensor.cu", "LowRankForward")]
    private struct ForwardArguments
    {
        public KernelRows X;
        public KernelRows Z;
        public KernelRows Y;
        public KernelRows State;
        public KernelSequences Sequences;
        public Weights Weights;
        public KernelFinish Finish;
        public int Channels;
        public int Run;
    }

    [StructLayout(LayoutKind.Sequential)]
    [CudaStruct("low_rank_backward_tensor.cu", "LowRankBackward")]
    private struct BackwardArguments
    {
        public KernelRows X;
        public KernelRows Z;
        public KernelRows Dy;
        public KernelRows Dx;
        public KernelRows State;
        public KernelSequences Sequences;
        public Weights Weights;
        public nint ZSums;
        public nint USums;
        public nint StaticSums;
        public int Channels;
        public int Run;
    }

    [StructLayout(LayoutKind.Sequential)]
    [CudaStruct("low_rank_padding.cu", "LowRankPadding")]
    private struct PaddingArguments
    {
        public KernelRows Z;
        public nint To;
        public long Batch;
        public long Time;
        public long Rank;
    }
}
