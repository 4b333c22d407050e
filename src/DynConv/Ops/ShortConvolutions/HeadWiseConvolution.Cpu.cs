using System.Runtime.CompilerServices;
using DynConv.Cpu;

namespace DynConv.Ops;

public static partial class HeadWiseConvolution
{
    private const long BlockChannels = 256;
    private const long GroupChannels = 512;
    private const long WorkBlocks = 64;

    private static void ForwardCpu(ConvolutionInputs inputs, Tensor weight, Tensor y) =>
        ConvolutionForward.Run(inputs.Call(y), new Filter(inputs, weight, null, false), Blocking(inputs, weight));

    private static void BackwardCpu(ConvolutionInputs inputs, Tensor weight, BackwardContext g)
    {
        ConvolutionBlocking blocking = Blocking(inputs, weight);
        using var gradients = new ConvolutionTargets(inputs, g, blocking);
        GradientRows target = gradients.Own(WeightInput, innerDimensions: 2);
        var filter = new Filter(inputs, weight, target.Tensor, target.Accumulate);
        ConvolutionBackward.Run(inputs.Call(null), gradients.Cpu(), filter, blocking);
    }

    private static ConvolutionBlocking Blocking(ConvolutionInputs inputs, Tensor weight) => ConvolutionBlocking.Create(
        inputs.Sequences.Tokens, inputs.Channels, inputs.Width, GroupChannels, BlockChannels, WorkBlocks, HeadSize(inputs, weight));

    private static long HeadSize(ConvolutionInputs inputs, Tensor weight) =>
        Math.Max(1, inputs.Channels / Math.Max(1, weight.Shape[2]));

    private unsafe struct Filter(ConvolutionInputs inputs, Tensor weight, Tensor? gradient, bool accumulate) : IConvolutionFilter
    {
        private readonly TokenRows _weight = new(weight);
        private readonly TokenRows _gradient = gradient is null ? default : new TokenRows(gradient);
        private readonly float* _static = inputs.StaticWeight is null ? null : inputs.StaticWeight.Float();
        private readonly long _constantStride = inputs.StaticWeight is null ? 0 : inputs.StaticWeight.Strides[0];
        private readonly bool _accumulate = accumulate;
        private readonly int _width = inputs.Width;
        private readonly long _headSize = HeadSize(inputs, weight);
        private ChannelBlock _block;
        private float* _constant;
        private long _firstHead;
        private long _firstEnd;

        public bool NeedsProducts { get; } = gradient is not null;

        private readonly long TileStride => ConvolutionBlocking.TileStride(_width, _block.Count);

        public readonly long ScratchFloats(long blockChannels) => 0;

        public void Begin(ConvolutionScratch scratch, ChannelBlock block)
        {
            _block = block;
            _firstHead = block.Start / _headSize;
            _firstEnd = Math.Min(block.Count, ((_firstHead + 1) * _headSize) - block.Start);
            _constant = _static is null ? null : _static + block.Start;
        }

        public readonly FilterTile Fill<TSimd, TVector>(long token, long rows, float* tile)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            float* to = tile;
            for (long row = 0; row < rows; row++, to += TileStride)
            {
                FillRow<TSimd, TVector>(_weight[token + row] + (_firstHead * _width), to);
            }

            return new FilterTile(tile, TileStride, _block.Count);
        }

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
            for (long row = 0; row < rows; row++, products += TileStride)
            {
                float* gradient = _gradient[token + row] + (_firstHead * _width);
                ReduceRow<TSimd, TVector>(products, gradient);
            }
        }

        public readonly void End(long part)
        {
        }

        /// <summary>One token's filters: each head's number repeated over its channels, plus the static part.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private readonly void FillRow<TSimd, TVector>(float* weight, float* to)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            // Locals, because the compiler has to expect that a store through a pointer changes a field.
            long channels = _block.Count;
            long headSize = _headSize;
            int width = _width;
            float* constant = _constant;
            for (int w = 0; w < width; w++, to += channels, constant += _constantStride)
            {
                float* value = weight + w;
                long end = _firstEnd;
                for (long c = 0; c < channels; value += width, end = Math.Min(channels, end + headSize))
                {
                    TVector lanes = TSimd.Broadcast(*value);
                    for (; c + TSimd.Width <= end; c += TSimd.Width)
                    {
                        TSimd.Store(to + c, constant is null ? lanes : TSimd.Add(lanes, TSimd.Load(constant + c)));
                    }

                    for (; c < end; c++)
                    {
                        to[c] = constant is null ? *value : *value + constant[c];
                    }
                }
            }
        }

        /// <summary>Sums one token's products over each head's channels. A head wider than a block gathers block by block.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private readonly void ReduceRow<TSimd, TVector>(float* products, float* gradient)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            float* sums = stackalloc float[ITaps.Most];
            long channels = _block.Count;
            long headSize = _headSize;
            int width = _width;
            bool adds = _accumulate || _block.Start != _firstHead * headSize;
            for (int w = 0; w < width; w += ITaps.Most, products += ITaps.Most * channels)
            {
                int taps = Math.Min(ITaps.Most, width - w);
                float* to = gradient + w;
                long end = _firstEnd;
                for (long start = 0; start < channels; start = end, end = Math.Min(channels, end + headSize), to += width)
                {
                    SumTaps<TSimd, TVector>(products, channels, taps, start, end, sums);
                    for (int i = 0; i < taps; i++)
                    {
                        to[i] = adds ? to[i] + sums[i] : sums[i];
                    }
                }
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static void SumTaps<TSimd, TVector>(float* products, long tapStride, int taps, long start, long end, float* sums)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            // Taps that are not there repeat the last one.
            float* p1 = products + (Math.Min(1, taps - 1) * tapStride);
            float* p2 = products + (Math.Min(2, taps - 1) * tapStride);
            float* p3 = products + (Math.Min(3, taps - 1) * tapStride);
            TVector s0 = default, s1 = default, s2 = default, s3 = default;
            long c = start;
            for (; c + TSimd.Width <= end; c += TSimd.Width)
            {
                s0 = TSimd.Add(s0, TSimd.Load(products + c));
                s1 = TSimd.Add(s1, TSimd.Load(p1 + c));
                s2 = TSimd.Add(s2, TSimd.Load(p2 + c));
                s3 = TSimd.Add(s3, TSimd.Load(p3 + c));
            }

            TSimd.StoreSums(sums, s0, s1, s2, s3);
            for (; c < end; c++)
            {
                sums[0] += products[c];
                sums[1] += p1[c];
                sums[2] += p2[c];
                sums[3] += p3[c];
            }
        }
    }
}
