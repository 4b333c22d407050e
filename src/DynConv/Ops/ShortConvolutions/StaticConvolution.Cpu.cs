using DynConv.Cpu;

namespace DynConv.Ops;

public static partial class StaticConvolution
{
    // A row of 256 channels and its tile of 8 tokens suit the L1 cache and the hardware's prefetching alike.
    private const long BlockChannels = 1024;
    private const long GroupChannels = 1024;
    private const long WorkBlocks = 64;
    private const long TileTokens = 8;

    private static unsafe void ForwardCpu(ConvolutionInputs inputs, Tensor y) =>
        ConvolutionForward.Run(inputs.Call(y), new Filter(inputs.StaticWeight!), Blocking(inputs));

    private static void BackwardCpu(ConvolutionInputs inputs, BackwardContext g)
    {
        ConvolutionBlocking blocking = Blocking(inputs);
        using var gradients = new ConvolutionTargets(inputs, g, blocking);
        ConvolutionBackward.Run(inputs.Call(null), gradients.Cpu(), new Filter(inputs.StaticWeight!), blocking);
    }

    private static ConvolutionBlocking Blocking(ConvolutionInputs inputs) => ConvolutionBlocking.Create(
        inputs.Sequences.Tokens, inputs.Channels, inputs.Width, GroupChannels, BlockChannels, WorkBlocks, tileTokens: TileTokens);

    private unsafe struct Filter(Tensor weight) : IConvolutionFilter
    {
        private readonly float* _weight = weight.Float();
        private readonly long _tapStride = weight.Strides[0];
        private ChannelBlock _block;

        public readonly bool NeedsProducts => false;

        public readonly long ScratchFloats(long blockChannels) => 0;

        public void Begin(ConvolutionScratch scratch, ChannelBlock block) => _block = block;

        public readonly FilterTile Fill<TSimd, TVector>(long token, long rows, float* tile)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct => new(_weight + _block.Start, 0, _tapStride);

        public readonly bool UsesTiles<TSimd, TVector>()
            where TSimd : struct, ISimd<TVector>
            where TVector : struct => true;

        public readonly void Convolve<TSimd, TVector>(TokenSpan span, TokenRows y, TokenRows x, FilterTile filters, ConvolveMode mode)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct => TileFilters.Convolve<TSimd, TVector>(span, y, x, filters, mode);

        public readonly void Correlate<TSimd, TVector>(TokenSpan span, TokenRows dx, TokenRows dy, FilterTile filters, ConvolveMode mode)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct => TileFilters.Correlate<TSimd, TVector>(span, dx, dy, filters, mode);

        public readonly void Multiply<TSimd, TVector>(TokenSpan span, TokenRows dy, TokenRows x, float* products, float* staticSums)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct => TileFilters.Multiply<TSimd, TVector>(span, dy, x, products, staticSums);

        public readonly void Reduce<TSimd, TVector>(long token, long rows, float* products)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
        }

        public readonly void End(long part)
        {
        }
    }
}
