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
        private readonly long _staticStride = inputs.StaticWeight is null ? 0 : inputs.StaticWeight.Strides[0];
        private readonly int _width = inputs.Width;
        private readonly long _headSize = HeadSize(inputs, weight);
        private ChannelBlock _block;

        public bool NeedsProducts { get; } = gradient is not null;

        public readonly long ScratchFloats(long blockChannels) => 0;

        public void Begin(ConvolutionScratch scratch, ChannelBlock block) => _block = block;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public readonly FilterTile Fill<TSimd, TVector>(long token, long rows, float* tile)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            long rowFloats = _width * _block.Count;
            for (long row = 0; row < rows; row++)
            {
                float* weight = _weight[token + row];
                for (int w = 0; w < _width; w++)
                {
                    FillTap<TSimd, TVector>(weight + w, w, tile + (row * rowFloats) + (w * _block.Count));
                }
            }

            return new FilterTile(tile, rowFloats, _block.Count);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public readonly void Reduce<TSimd, TVector>(long token, long rows, float* products)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            for (long row = 0; row < rows; row++)
            {
                float* gradient = _gradient[token + row];
                for (int w = 0; w < _width; w++, products += _block.Count)
                {
                    ReduceTap<TSimd, TVector>(products, gradient + w);
                }
            }
        }

        public readonly void End(long part)
        {
        }

        /// <summary>One tap of one token: each head's number repeated over its channels, plus the static part.</summary>
        private readonly void FillTap<TSimd, TVector>(float* weight, int tap, float* to)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            float* constant = _static is null ? null : _static + (tap * _staticStride) + _block.Start;
            long head = _block.Start / _headSize;
            long end = Math.Min(_block.Count, ((head + 1) * _headSize) - _block.Start);
            for (long c = 0; c < _block.Count; head++, end = Math.Min(_block.Count, end + _headSize))
            {
                float value = weight[head * _width];
                TVector lanes = TSimd.Broadcast(value);
                for (; c + TSimd.Width <= end; c += TSimd.Width)
                {
                    TSimd.Store(to + c, constant is null ? lanes : TSimd.Add(lanes, TSimd.Load(constant + c)));
                }

                for (; c < end; c++)
                {
                    to[c] = constant is null ? value : value + constant[c];
                }
            }
        }

        /// <summary>Sums one tap's products over the channels of each head. A head wider than a block gathers block by block.</summary>
        private readonly void ReduceTap<TSimd, TVector>(float* products, float* gradient)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            long head = _block.Start / _headSize;
            bool adds = accumulate || _block.Start % _headSize != 0;
            long end = Math.Min(_block.Count, ((head + 1) * _headSize) - _block.Start);
            for (long c = 0; c < _block.Count; head++, end = Math.Min(_block.Count, end + _headSize))
            {
                TVector lanes = TSimd.Zero;
                for (; c + TSimd.Width <= end; c += TSimd.Width)
                {
                    lanes = TSimd.Add(lanes, TSimd.Load(products + c));
                }

                float sum = TSimd.Sum(lanes);
                for (; c < end; c++)
                {
                    sum += products[c];
                }

                gradient[head * _width] = adds ? gradient[head * _width] + sum : sum;
            }
        }
    }
}
