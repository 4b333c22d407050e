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
                float* weight = _weight[token + row] + (_firstHead * _width);
                if (_headSize >= TSimd.Width)
                {
                    FillWide<TSimd, TVector>(weight, to);
                }
                else
                {
                    FillNarrow(weight, to);
                }
            }

            return new FilterTile(tile, TileStride, _block.Count);
        }

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

        /// <summary>One token's filters for heads of a vector or more: each number repeated, plus the static part.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private readonly void FillWide<TSimd, TVector>(float* weight, float* to)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            long end = _firstEnd;
            for (long start = 0; start < _block.Count; start = end, end = Math.Min(_block.Count, end + _headSize), weight += _width)
            {
                for (int w = 0; w < _width; w++)
                {
                    float* row = to + (w * _block.Count);
                    float* constant = _constant + (w * _constantStride);
                    TVector lanes = TSimd.Broadcast(weight[w]);
                    long c = start;
                    for (; c + TSimd.Width <= end; c += TSimd.Width)
                    {
                        TSimd.Store(row + c, _constant is null ? lanes : TSimd.Add(lanes, TSimd.Load(constant + c)));
                    }

                    for (; c < end; c++)
                    {
                        row[c] = _constant is null ? weight[w] : weight[w] + constant[c];
                    }
                }
            }
        }

        /// <summary>The same for heads of less than a vector.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private readonly void FillNarrow(float* weight, float* to)
        {
            for (int w = 0; w < _width; w++, to += _block.Count)
            {
                float* constant = _constant + (w * _constantStride);
                float* value = weight + w;
                for (long c = 0; c < _block.Count; value += _width)
                {
                    for (long i = 0; i < _headSize; i++, c++)
                    {
                        to[c] = _constant is null ? *value : *value + constant[c];
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
            bool adds = _accumulate || _block.Start != _firstHead * _headSize;
            long end = _firstEnd;
            for (long start = 0; start < _block.Count; start = end, end = Math.Min(_block.Count, end + _headSize), gradient += _width)
            {
                for (int w = 0; w < _width; w += ITaps.Most)
                {
                    int taps = Math.Min(ITaps.Most, _width - w);
                    SumTaps<TSimd, TVector>(products + (w * _block.Count), taps, start, end, sums);
                    for (int i = 0; i < taps; i++)
                    {
                        gradient[w + i] = adds ? gradient[w + i] + sums[i] : sums[i];
                    }
                }
            }
        }

        private readonly void SumTaps<TSimd, TVector>(float* products, int taps, long start, long end, float* sums)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            // Taps that are not there repeat the last one.
            float* p1 = products + (Math.Min(1, taps - 1) * _block.Count);
            float* p2 = products + (Math.Min(2, taps - 1) * _block.Count);
            float* p3 = products + (Math.Min(3, taps - 1) * _block.Count);
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
