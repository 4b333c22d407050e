using System.Runtime.InteropServices;
using DynConv.Cuda;

namespace DynConv.Ops;

public static partial class LowRankConvolution
{
    private const int Threads = 128;

    private static readonly KernelTable<(ConvolutionTypes Types, bool Backward, ConvolutionFinishKind Finish)> ConvolutionKernel = new(
        "low_rank_convolution.cu",
        "low_rank_convolution",
        key =>
        [
            .. KernelTokenFilters.Macros(key.Types),
            ("TOKENS", TokensOfThread(key.Types.Width)),
            ("BACKWARD", key.Backward ? 1 : 0),
            KernelFinish.Macro(key.Finish),
        ],
        (new(DType.Float32, DType.Float32, DType.Float32, 4), false, ConvolutionFinishKind.Plain),
        (new(DType.Float32, DType.Float32, DType.Float32, 4), false, ConvolutionFinishKind.Silu),
        (new(DType.BFloat16, DType.Float32, DType.BFloat16, 4), false, ConvolutionFinishKind.SiluGradient),
        (new(DType.BFloat16, DType.Float32, DType.BFloat16, 16), true, ConvolutionFinishKind.Plain));

    private static readonly KernelTable<(DType X, DType U, int Width, int Ranks)> FactorsKernel = new(
        "low_rank_factors.cu",
        "low_rank_factors",
        key => [.. KernelTokenFilters.Macros(new(key.X, key.U, key.U, key.Width)), ("RANKS", key.Ranks)],
        (DType.Float32, DType.Float32, 4, 16),
        (DType.BFloat16, DType.Float32, 16, 32));

    private static readonly KernelTable<(DType X, int Width, int Ranks)> WeightsKernel = new(
        "low_rank_weights.cu",
        "low_rank_weights",
        key => [.. KernelTokenFilters.Macros(new(key.X, key.X, key.X, key.Width)), ("RANKS", key.Ranks)],
        (DType.Float32, 4, 16),
        (DType.BFloat16, 16, 4));

    private static void ForwardCuda(ConvolutionInputs inputs, Tensor z, Tensor u, ConvolutionFinish finish, Tensor y)
    {
        if (y.Count > 0 && !LowRankTensorCores.Forward(inputs, z, u, finish, y))
        {
            Convolve(inputs, z, u, inputs.X, y, backward: false, accumulate: false, finish);
        }
    }

    private static void BackwardCuda(ConvolutionInputs inputs, Tensor z, Tensor u, Tensor dy, BackwardContext g)
    {
        using var gradients = new GradientPlaces(g);
        GradientRows dx = gradients.Rows(ConvolutionInputs.XInput, innerDimensions: 1);
        GradientRows dState = gradients.Rows(ConvolutionInputs.StateInput, innerDimensions: 1);
        GradientRows dz = gradients.Rows(FactorInput, innerDimensions: 1);
        GradientRows du = gradients.Rows(LearnedInput, innerDimensions: 1);
        GradientRows ds = gradients.Rows(ConvolutionInputs.StaticInput, innerDimensions: 1);
        if (inputs.X.Count == 0)
        {
            foreach (GradientRows gradient in (GradientRows[])[dx, dState, dz, du, ds])
            {
                gradient.ClearUndefined();
            }

            return;
        }

        if (!LowRankTensorCores.Backward(inputs, z, u, dy, dx, dz, du, ds))
        {
            if (dx.Tensor is not null)
            {
                Convolve(inputs, z, u, dy, dx.Tensor, backward: true, dx.Accumulate);
            }

            AddFactors(inputs, z, u, dy, dz);
            AddWeights(inputs, z, dy, du, ds);
        }

        ConvolutionState.AddInitialGradient(inputs, null, z, u, dy, dState);
    }

    /// <summary>The convolution of <paramref name="from"/>, or the gradient of x from that of y.</summary>
    internal static void Convolve(
        ConvolutionInputs inputs, Tensor z, Tensor u, Tensor from, Tensor to, bool backward, bool accumulate, ConvolutionFinish finish = default)
    {
        ConvolutionArguments arguments = new()
        {
            X = new(from),
            Z = new(z),
            Y = new(to),
            State = new(inputs.InitialState),
            Sequences = new(inputs.Sequences, to.Device),
            Learned = new(u),
            StaticWeight = new(inputs.StaticWeight, inputs.Residual),
            Finish = new(finish),
            Channels = inputs.Channels,
            Accumulate = accumulate ? 1 : 0,
        };
        long blocks = DivideUp(inputs.Channels, Threads) * inputs.Sequences.Batch
            * DivideUp(inputs.Sequences.Time, TokensOfThread(inputs.Width));
        ConvolutionKernel[to.Device, (ConvolutionTypes.Of(inputs, u), backward, finish.Kind)].Launch(
            new CudaGrid(blocks, Threads), KernelArgument.Of(in arguments));
    }

    private static void AddFactors(ConvolutionInputs inputs, Tensor z, Tensor u, Tensor dy, in GradientRows dz)
    {
        if (dz.Tensor is null)
        {
            return;
        }

        const int TokensOfFactorThread = 4;
        long rank = u.Shape[0];
        int ranks = rank > 16 ? 32 : rank > 8 ? 16 : 8;
        FactorsArguments arguments = new()
        {
            X = new(inputs.X),
            Dy = new(dy),
            Dz = new(dz.Tensor),
            State = new(inputs.InitialState),
            Sequences = new(inputs.Sequences, dy.Device),
            Learned = new(u),
            Channels = inputs.Channels,
            Accumulate = dz.Accumulate ? 1 : 0,
        };
        long blocks = DivideUp(rank, ranks) * inputs.Sequences.Batch
            * DivideUp(inputs.Sequences.Time, Threads / ranks * TokensOfFactorThread);
        FactorsKernel[dy.Device, (dy.DType, u.DType, inputs.Width, ranks)].Launch(
            new CudaGrid(blocks, Threads), KernelArgument.Of(in arguments));
    }

    private static void AddWeights(ConvolutionInputs inputs, Tensor z, Tensor dy, in GradientRows du, in GradientRows ds)
    {
        if (du.Tensor is null && ds.Tensor is null)
        {
            return;
        }

        const int MostSums = 64;
        const long LeastPart = 128;
        const int BlocksOfMultiprocessor = 4;
        Device device = dy.Device;
        (long channels, int width, long tokens) = (inputs.Channels, inputs.Width, inputs.Sequences.Tokens);
        long rank = du.Tensor is null ? 0 : z.Shape[2];
        int ranks = Math.Min(16, MostSums / width);
        long blocks = DivideUp(channels, Threads) * Math.Max(1, DivideUp(rank, ranks));
        long wanted = Math.Max(1, device.Context.Multiprocessors * BlocksOfMultiprocessor / blocks);
        long part = Math.Max(LeastPart, DivideUp(tokens, wanted));
        long parts = DivideUp(tokens, part);
        Tensor? uSums = du.Tensor is null ? null : Tensor.Empty([parts, rank, width * channels], DType.Float32, device);
        Tensor? staticSums = ds.Tensor is null ? null : Tensor.Empty([parts, width, channels], DType.Float32, device);
        WeightsArguments arguments = new()
        {
            X = new(inputs.X),
            Z = new(z),
            Dy = new(dy),
            State = new(inputs.InitialState),
            Sequences = new(inputs.Sequences, device),
            USums = uSums?.Address ?? 0,
            StaticSums = staticSums?.Address ?? 0,
            Rank = rank,
            Channels = channels,
            Part = part,
        };
        WeightsKernel[device, (dy.DType, width, ranks)].Launch(new CudaGrid(blocks * parts, Threads), KernelArgument.Of(in arguments));
        PartialSums.StoreRows(
            device,
            uSums is null ? default : new PartialRows(uSums, du.Tensor!, du.Accumulate),
            staticSums is null ? default : new PartialRows(staticSums, ds.Tensor!, ds.Accumulate),
            default);
    }

    /// <summary>Tokens whose filters a thread has registers for.</summary>
    private static int TokensOfThread(int width) => width <= 4 ? 16 : width <= 8 ? 8 : 4;

    private static long DivideUp(long a, long b) => (a + b - 1) / b;

    [StructLayout(LayoutKind.Sequential)]
    [CudaStruct("low_rank_convolution.cu", "LowRankConvolution")]
    private struct ConvolutionArguments
    {
        public KernelRows X;
        public KernelRows Z;
        public KernelRows Y;
        public KernelRows State;
        public KernelSequences Sequences;
        public KernelLearnedFilters Learned;
        public KernelStaticWeight StaticWeight;
        public KernelFinish Finish;
        public long Channels;
        public long Accumulate;
    }

    [StructLayout(LayoutKind.Sequential)]
    [CudaStruct("low_rank_factors.cu", "LowRankFactors")]
    private struct FactorsArguments
    {
        public KernelRows X;
        public KernelRows Dy;
        public KernelRows Dz;
        public KernelRows State;
        public KernelSequences Sequences;
        public KernelLearnedFilters Learned;
        public long Channels;
        public long Accumulate;
    }

    [StructLayout(LayoutKind.Sequential)]
    [CudaStruct("low_rank_weights.cu", "LowRankWeights")]
    private struct WeightsArguments
    {
        public KernelRows X;
        public KernelRows Z;
        public KernelRows Dy;
        public KernelRows State;
        public KernelSequences Sequences;
        public nint USums;
        public nint StaticSums;
        public long Rank;
        public long Channels;
        public long Part;
    }
}
