using System.Runtime.CompilerServices;
using DynConv.Cpu;

namespace DynConv.Ops;

public static partial class HeadWiseConvolution
{
    private const long BlockChannels = 256;
    private const long GroupChannels = 512;
    private const long WorkBlocks = 64;

    // Rows of filters as long as the inputs' compete with them for the same places of the L1 cache.
    private const long TileTokensOfLongRows = 4;

    internal static void ForwardCpu(ConvolutionInputs inputs, Tensor weight, ConvolutionFinish finish, Tensor y) =>
        ConvolutionForward.Run(inputs.Call(y, finish), new Filter(inputs, weight, null, false), Blocking(inputs, weight));

    private static void BackwardCpu(ConvolutionInputs inputs, Tensor weight, Tensor dy, BackwardContext g)
    {
        ConvolutionBlocking blocking = Blocking(inputs, weight);
        using var gradients = new ConvolutionTargets(inputs, dy, g);
        GradientRows target = gradients.Own(WeightInput, innerDimensions: 2);
        var filter = new Filter(inputs, weight, target.Tensor, target.Accumulate);
        ConvolutionBackward.Run(inputs.Call(null), gradients.Cpu(blocking), filter, blocking);
    }

    private static ConvolutionBlocking Blocking(ConvolutionInputs inputs, Tensor weight)
    {
        long headSize = SizeOfHead(inputs, weight);
        return ConvolutionBlocking.Create(
            inputs.Sequences.Tokens,
            inputs.Channels,
            inputs.Width,
            GroupChannels,
            BlockChannels,
            WorkBlocks,
            headSize,
            headSize <= inputs.Width ? TileTokensOfLongRows : null);
    }

    private static long SizeOfHead(ConvolutionInputs inputs, Tensor weight) =>
        Math.Max(1, inputs.Channels / Math.Max(1, weight.Shape[2]));

    private unsafe struct Filter(ConvolutionInputs inputs, Tensor weight, Tensor? gradient, bool accumulate) : IConvolutionFilter
    {
        private readonly TokenRows _weight = new(weight);
        private readonly TokenRows _gradient = gradient is null ? default : new TokenRows(gradient);
        private readonly float* _static = inputs.StaticWeight is null ? null : inputs.StaticWeight.Float();
        private readonly long _staticStride = inputs.StaticWeight is null ? 0 : inputs.StaticWeight.Strides[0];
        private readonly bool _accumulate = accumulate;
        private readonly int _width = inputs.Width;
        private ChannelBlock _block;
        private Strided _staticRows;
        private long _firstHead;
        private long _firstEnd;

        public long HeadSize { get; } = SizeOfHead(inputs, weight);

        public bool NeedsProducts { get; } = gradient is not null;

        private readonly bool Accumulates => _accumulate || _block.Start != _firstHead * HeadSize;

        private readonly long TileStride => ConvolutionBlocking.TileStride(_width, _block.Count);

        public readonly long ScratchFloats => 0;

        public void Begin(ConvolutionScratch scratch, ChannelBlock block)
        {
            _block = block;
            _firstHead = block.Start / HeadSize;
            _firstEnd = Math.Min(block.Count, ((_firstHead + 1) * HeadSize) - block.Start);
            _staticRows = new Strided(_static is null ? null : _static + block.Start, _staticStride);
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

            return new FilterTile(token, rows, tile, TileStride, _block.Count);
        }

        public readonly void Convolve<TSimd, TVector>(
            Strided to, Strided from, long token, long rows, ConvolveMode mode)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct => HeadWiseColumns.Convolve<TSimd, TVector>(
                to, from, Heads(_weight, token), _staticRows, _width, rows, _block.Count, mode);

        public readonly void Correlate<TSimd, TVector>(
            Strided to, Strided from, long token, long rows, ConvolveMode mode)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct => HeadWiseColumns.Convolve<TSimd, TVector>(
                to, from, Heads(_weight, token).Back(), _staticRows, _width, rows, _block.Count, mode);

        public readonly void Multiply<TSimd, TVector>(
            Strided sums, Strided dy, Strided from, long token, long rows)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            if (NeedsProducts)
            {
                HeadWiseColumns.Multiply<TSimd, TVector>(
                    Heads(_gradient, token), Accumulates, sums, dy, from, _width, rows, _block.Count);
            }
            else
            {
                ConvolutionColumns.Multiply<TSimd, TVector>(
                    default, sums.First, sums.Stride, dy, from, _width, rows, _block.Count);
            }
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

        /// <summary>The heads of the block in the rows from a token on.</summary>
        private readonly HeadRows Heads(TokenRows rows, long token) =>
            new(new Strided(rows[token] + (_firstHead * _width), rows.TimeStride), 1, _width, HeadSize, _firstEnd);

        /// <summary>One token's filters: each head's number repeated over its channels, plus the static weight.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private readonly void FillRow<TSimd, TVector>(float* weight, float* to)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            // Locals, because the compiler has to expect that a store through a pointer changes a field.
            long channels = _block.Count;
            long headSize = HeadSize;
            int width = _width;
            float* taps = _staticRows.First;
            for (int w = 0; w < width; w++, to += channels, taps += _staticStride)
            {
                float* value = weight + w;
                long end = _firstEnd;
                for (long c = 0; c < channels; value += width, end = Math.Min(channels, end + headSize))
                {
                    TVector lanes = TSimd.Broadcast(*value);
                    for (; c + TSimd.Width <= end; c += TSimd.Width)
                    {
                        TSimd.Store(to + c, taps is null ? lanes : TSimd.Add(lanes, TSimd.Load(taps + c)));
                    }

                    for (; c < end; c++)
                    {
                        to[c] = taps is null ? *value : *value + taps[c];
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
            long channels = _block.Count;
            for (int w = 0; w < _width; w += ITaps.Most, products += ITaps.Most * channels)
            {
                // Taps that are not there repeat the last one.
                int taps = Math.Min(ITaps.Most, _width - w);
                float* p1 = products + (Math.Min(1, taps - 1) * channels);
                float* p2 = products + (Math.Min(2, taps - 1) * channels);
                float* p3 = products + (Math.Min(3, taps - 1) * channels);
                float* to = gradient + w;
                long end = _firstEnd;
                bool add = Accumulates;
                for (long c = 0; c < channels; c += TSimd.Width)
                {
                    if (c >= end)
                    {
                        to += _width;
                        end += HeadSize;
                        add = Accumulates;
                    }

                    HeadWiseColumns.StoreSums<TSimd, TVector>(
                        to, taps, add, TSimd.Load(products + c), TSimd.Load(p1 + c), TSimd.Load(p2 + c), TSimd.Load(p3 + c));
                    add = true;
                }
            }
        }
    }
}
