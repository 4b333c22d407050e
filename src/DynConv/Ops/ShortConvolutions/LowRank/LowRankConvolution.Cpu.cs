using DynConv.Cpu;

namespace DynConv.Ops;

public static partial class LowRankConvolution
{
    // With 64 channels, U's columns of the block and the sums of their gradient stay in the L1 cache.
    private const long BlockChannels = 64;
    private const long GroupChannels = 128;
    private const long WorkBlocks = 64;

    internal static void ForwardCpu(ConvolutionInputs inputs, Tensor z, Tensor u, ConvolutionFinish finish, Tensor y)
    {
        ConvolutionBlocking blocking = Blocking(inputs);
        ConvolutionForward.Run(inputs.Call(y, finish), new Filter(inputs, z, u, null, null, blocking), blocking);
    }

    private static void BackwardCpu(ConvolutionInputs inputs, Tensor z, Tensor u, Tensor dy, BackwardContext g)
    {
        ConvolutionBlocking blocking = Blocking(inputs);
        long tokens = inputs.Sequences.Tokens;
        long rank = z.Shape[2];
        Tensor? zPartials = g.Needs(FactorInput) ? Tensor.Empty([blocking.Groups, tokens, rank]) : null;
        Tensor? uPartials = g.Needs(LearnedInput) ? Tensor.Empty([blocking.Parts, rank, u.Shape[1]]) : null;
        var filter = new Filter(inputs, z, u, zPartials, uPartials, blocking);
        using (var targets = new ConvolutionTargets(inputs, dy, g))
        {
            ConvolutionBackward.Run(inputs.Call(null), targets.Cpu(blocking), filter, blocking);
        }

        if (zPartials is not null)
        {
            using var gradients = new GradientPlaces(g);
            PartialSums.Store(zPartials, gradients.Rows(FactorInput, innerDimensions: 1));
        }

        if (uPartials is not null)
        {
            g.Add(LearnedInput, PartialSums.Sum(uPartials));
        }
    }

    private static ConvolutionBlocking Blocking(ConvolutionInputs inputs) => ConvolutionBlocking.Create(
        inputs.Sequences.Tokens, inputs.Channels, inputs.Width, GroupChannels, BlockChannels, WorkBlocks);

    private unsafe struct Filter(
        ConvolutionInputs inputs, Tensor z, Tensor u, Tensor? zPartials, Tensor? uPartials, ConvolutionBlocking blocking) : IConvolutionFilter
    {
        private readonly TokenRows _z = new(z);
        private readonly float* _u = u.Float();
        private readonly long _uStride = u.Strides[0];
        private readonly float* _static = inputs.StaticWeight is null ? null : inputs.StaticWeight.Float();
        private readonly long _staticStride = inputs.StaticWeight is null ? 0 : inputs.StaticWeight.Strides[0];
        private readonly long _rank = z.Shape[2];
        private readonly int _width = inputs.Width;
        private readonly long _channels = inputs.Channels;
        private readonly long _tokens = inputs.Sequences.Tokens;
        private readonly float* _zPartials = zPartials is null ? null : zPartials.Float();
        private readonly float* _uPartials = uPartials is null ? null : uPartials.Float();
        private readonly long _groupChannels = blocking.GroupChannels;
        private readonly long _blockChannels = blocking.BlockChannels;
        private readonly long _tileRows = blocking.TileTokens + inputs.Width - 1;
        private ChannelBlock _block;
        private float* _tile;
        private float* _panel;
        private float* _panelSums;
        private float* _initial;
        private float* _laneSums;
        private float* _unwanted;

        public readonly long HeadSize => 0;

        public readonly bool NeedsProducts => _zPartials is not null || _uPartials is not null;

        // With too few registers, the filters and the products of a tile's tokens go through memory.
        private readonly bool InRegisters => LowRankColumns.Suits(_width);

        private readonly long RowFloats => _width * _block.Count;

        private readonly long TileStride => ConvolutionBlocking.TileStride(_width, _block.Count);

        public readonly long ScratchFloats =>
            (2 * ConvolutionScratch.Padded(_rank * _width * _blockChannels))
            + ConvolutionScratch.Padded(_width * _blockChannels)
            + ConvolutionScratch.Padded(TileFloats)
            + ConvolutionScratch.Padded(LowRankColumns.ScratchFloats(_rank))
            + ConvolutionScratch.Padded(_rank);

        private readonly long TileFloats => InRegisters ? 0 : _tileRows * ConvolutionBlocking.TileStride(_width, _blockChannels);

        public void Begin(ConvolutionScratch scratch, ChannelBlock block)
        {
            if (_panel is null)
            {
                _tile = scratch.Take(TileFloats);
                _panel = scratch.Take(_rank * _width * block.Count);
                _panelSums = scratch.Take(_rank * _width * block.Count);
                _initial = scratch.Take(_width * block.Count);
                _laneSums = scratch.Take(LowRankColumns.ScratchFloats(_rank));
                _unwanted = scratch.Take(_rank);
            }

            _block = block;
            for (long row = 0; row < _rank; row++)
            {
                CopyTaps(_u + (row * _uStride) + block.Start, _channels, _panel + (row * RowFloats), block.Count);
            }

            new Span<float>(_panelSums, checked((int)(_rank * RowFloats))).Clear();
            if (_static is null)
            {
                new Span<float>(_initial, (int)RowFloats).Clear();
            }
            else
            {
                CopyTaps(_static + block.Start, _staticStride, _initial, block.Count);
            }
        }

        public readonly FilterTile Fill<TSimd, TVector>(long token, long rows, float* tile)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            SmallProduct.Multiply<TSimd, TVector>(
                Factors(token), new(_panel, RowFloats), new(_initial, 0), new(tile, TileStride), m: rows, n: RowFloats, k: _rank);
            return new FilterTile(token, rows, tile, TileStride, _block.Count);
        }

        public readonly void Convolve<TSimd, TVector>(
            Strided to, Strided from, long token, long rows, ConvolveMode mode)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            if (InRegisters)
            {
                LowRankColumns.Convolve<TSimd, TVector>(to, from, FactorRows(token), Panel, _width, rows, mode, backward: false);
                return;
            }

            FilterTile filters = Fill<TSimd, TVector>(token, rows, _tile);
            ConvolutionColumns.Convolve<TSimd, TVector>(
                to, from, new Strided(filters[token, 0], filters.RowStride), filters.TapStride, _width, rows, _block.Count, mode);
        }

        public readonly void Correlate<TSimd, TVector>(
            Strided to, Strided from, long token, long rows, ConvolveMode mode)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            long first = token - rows + 1;
            if (InRegisters)
            {
                LowRankColumns.Convolve<TSimd, TVector>(
                    to.Reverse(rows), from.Reverse(rows), FactorRows(first), Panel, _width, rows, mode, backward: true);
                return;
            }

            // The taps that meet at one token: tap w is that of the token w further on.
            FilterTile filters = Fill<TSimd, TVector>(first, rows + _width - 1, _tile);
            ConvolutionColumns.Convolve<TSimd, TVector>(
                to,
                from,
                new Strided(filters[token, 0], -filters.RowStride),
                filters.RowStride + filters.TapStride,
                _width,
                rows,
                _block.Count,
                mode);
        }

        public readonly void Multiply<TSimd, TVector>(
            Strided sums, Strided dy, Strided from, long token, long rows)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            if (NeedsProducts && InRegisters)
            {
                LowRankColumns.Multiply<TSimd, TVector>(
                    dy, from, FactorRows(token), FactorSums(token, rows), Panel, sums.First, _laneSums, _width, rows);
                return;
            }

            Strided products = NeedsProducts ? new(_tile, TileStride) : default;
            ConvolutionColumns.Multiply<TSimd, TVector>(
                products, sums.First, sums.Stride, dy, from, _width, rows, _block.Count);
            if (NeedsProducts)
            {
                Reduce<TSimd, TVector>(token, rows, _tile);
            }
        }

        public readonly void Reduce<TSimd, TVector>(long token, long rows, float* products)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            if (_zPartials is not null)
            {
                SmallProduct.AddDots<TSimd, TVector>(
                    new(products, TileStride), new(_panel, RowFloats), new(FactorSums(token, rows).First, _rank), m: rows, k: _rank, n: RowFloats);
            }

            if (_uPartials is not null)
            {
                SmallProduct.Operand sums = new(_panelSums, RowFloats);
                SmallProduct.Multiply<TSimd, TVector>(
                    Factors(token).Transpose(), new(products, TileStride), sums, sums, m: _rank, n: RowFloats, k: rows);
            }
        }

        public readonly void End(long part)
        {
            if (_uPartials is null)
            {
                return;
            }

            float* to = _uPartials + (part * _rank * _width * _channels) + _block.Start;
            for (long row = 0; row < _rank * _width; row++)
            {
                Copy(_panelSums + (row * _block.Count), to + (row * _channels), _block.Count);
            }
        }

        private readonly LowRankPanel Panel => new(_panel, _initial, _panelSums, _rank, _block.Count);

        private readonly Strided FactorRows(long token) => new(_z[token], _z.TimeStride);

        /// <summary>Where the sums over this group of channels for the gradients of z go; zero before the first block.</summary>
        private readonly Strided FactorSums(long token, long rows)
        {
            if (_zPartials is null)
            {
                new Span<float>(_unwanted, checked((int)_rank)).Clear();
                return new(_unwanted, 0);
            }

            float* sums = _zPartials + ((((_block.Start / _groupChannels) * _tokens) + token) * _rank);
            if (_block.Start % _groupChannels == 0)
            {
                new Span<float>(sums, checked((int)(rows * _rank))).Clear();
            }

            return new(sums, _rank);
        }

        private readonly SmallProduct.Operand Factors(long token) => new(_z[token], _z.TimeStride);

        private readonly void CopyTaps(float* from, long fromStride, float* to, long toStride)
        {
            for (int w = 0; w < _width; w++)
            {
                Copy(from + (w * fromStride), to + (w * toStride), _block.Count);
            }
        }

        private static void Copy(float* from, float* to, long count) =>
            new Span<float>(from, (int)count).CopyTo(new Span<float>(to, (int)count));
    }
}
