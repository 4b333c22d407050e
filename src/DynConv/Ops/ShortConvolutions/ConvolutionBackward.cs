using DynConv.Cpu;

namespace DynConv.Ops;

/// <summary>
/// The backward pass of all three kinds. One pass over x and dy makes <c>dx[t] = Σ_w f[t + w, w] · dy[t + w]</c>, the
/// initial state's gradient (the same sum at negative t), the products <c>dy[t] · x[t - w]</c>, their sum over time
/// for the static part, and whatever the kind of filter makes of them.
/// </summary>
internal static unsafe class ConvolutionBackward
{
    public static void Run<TFilter>(ConvolutionCall call, ConvolutionGradients gradients, TFilter filter, ConvolutionBlocking blocking)
        where TFilter : struct, IConvolutionFilter
    {
        ConvolveMode mode = (call.Residual ? ConvolveMode.Residual : ConvolveMode.None)
            | (gradients.AccumulateX ? ConvolveMode.Accumulate : ConvolveMode.None);
        if (gradients.NeedsX && !gradients.AccumulateX && gradients.X.SuitsNonTemporalStores(blocking.Tokens, blocking.Channels))
        {
            mode |= ConvolveMode.NonTemporal;
        }

        Workers.For(blocking.Blocks, block =>
            Simd.Run(new Kernel<TFilter>(call, gradients, filter, blocking, mode, block % blocking.Groups, block / blocking.Groups)));
    }

    private readonly struct Kernel<TFilter>(
        ConvolutionCall call, ConvolutionGradients gradients, TFilter filter, ConvolutionBlocking blocking, ConvolveMode mode, long group, long part)
        : ISimdKernel
        where TFilter : struct, IConvolutionFilter
    {
        public void Invoke<TSimd, TVector>()
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            long channels = blocking.BlockChannels;
            long tileFloats = (blocking.TileTokens + call.Width - 1) * ConvolutionBlocking.TileStride(call.Width, channels);
            using var scratch = new ConvolutionScratch(
                ConvolutionScratch.Padded(tileFloats)
                + ConvolutionScratch.Padded(call.Width * channels)
                + ConvolutionScratch.Padded(channels)
                + filter.ScratchFloats(channels));
            float* tile = scratch.Take(tileFloats);
            float* sums = gradients.StaticPartials is null ? null : scratch.Take(call.Width * channels);
            float* zeros = scratch.Take(channels);
            new Span<float>(zeros, (int)channels).Clear();
            (long first, long last) = blocking.TokensOfPart(part);
            TFilter own = filter;
            foreach (ChannelBlock block in blocking.BlocksOfGroup(group))
            {
                own.Begin(scratch, block);
                new Span<float>(sums, sums is null ? 0 : (int)(call.Width * block.Count)).Clear();
                for (long token = first; token < last; token += blocking.TileTokens)
                {
                    long rows = Math.Min(blocking.TileTokens, last - token);
                    if (gradients.NeedsInputs)
                    {
                        Correlate<TSimd, TVector>(own, token, rows, block, tile, zeros);
                    }

                    // From here on the filters are spent and the products take their place.
                    float* products = own.NeedsProducts ? tile : null;
                    if (products is not null || sums is not null)
                    {
                        Multiply<TSimd, TVector>(own, token, rows, block, products, sums, zeros);
                    }

                    if (products is not null && own.UsesTiles<TSimd, TVector>())
                    {
                        own.Reduce<TSimd, TVector>(token, rows, products);
                    }
                }

                StoreStaticSums(block, sums);
                own.End(part);
            }
        }

        private void Correlate<TSimd, TVector>(TFilter own, long token, long rows, ChannelBlock block, float* tile, float* zeros)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            bool usesTiles = own.UsesTiles<TSimd, TVector>();
            FilterTile filters = usesTiles ? own.Fill<TSimd, TVector>(token, Reach(token, rows), tile) : default;
            long end = token + rows;
            for (long at = token; at < end;)
            {
                TokenSequence sequence = call.Sequences.At(at);
                if (gradients.NeedsState && at == sequence.Start)
                {
                    (long first, FilterTile near) = usesTiles ? (token, filters) : (at, own.Fill<TSimd, TVector>(at, Reach(at, 1), tile));
                    CorrelateState<TSimd, TVector>(sequence, first, block, near, zeros);
                }

                long stop = Math.Min(end, sequence.End);
                long edge = Math.Clamp(sequence.End - (call.Width - 1), at, stop);
                if (gradients.NeedsX && at < edge)
                {
                    own.Correlate<TSimd, TVector>(
                        new(block, call.Width, at, edge - at, at - token), gradients.X, gradients.Y, filters, mode);
                }

                for (at = edge; gradients.NeedsX && at < stop; at++)
                {
                    (long first, FilterTile near) = usesTiles ? (token, filters) : (at, own.Fill<TSimd, TVector>(at, Reach(at, 1), tile));
                    CorrelateEdge<TSimd, TVector>(sequence, first, at, block, near, zeros);
                }

                at = stop;
            }
        }

        /// <summary>Tokens whose filters meet the given ones: W - 1 more, as far as there are any.</summary>
        private long Reach(long token, long rows) => Math.Min(rows + call.Width - 1, blocking.Tokens - token);

        /// <summary>One of the last W - 1 tokens of a sequence, where some taps of later tokens are missing.</summary>
        private void CorrelateEdge<TSimd, TVector>(
            TokenSequence sequence, long tile, long token, ChannelBlock block, FilterTile filters, float* zeros)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            float** taps = stackalloc float*[ConvolutionCall.LargestWidth];
            float** values = stackalloc float*[ConvolutionCall.LargestWidth];
            Ahead(sequence, tile, token, block, filters, zeros, taps, values);
            float* dx = gradients.X[token] + block.Start;
            float* initial = call.Residual ? values[0] : zeros;
            if (gradients.AccumulateX)
            {
                ConvolutionRows.AddRows<TSimd, TVector>(dx, initial, 0, 1, block.Count);
                initial = dx;
            }

            ConvolutionRows.WeightedSum<TSimd, TVector>(dx, initial, taps, values, call.Width, block.Count);
        }

        private void CorrelateState<TSimd, TVector>(
            TokenSequence sequence, long tile, ChannelBlock block, FilterTile filters, float* zeros)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            float** taps = stackalloc float*[ConvolutionCall.LargestWidth];
            float** values = stackalloc float*[ConvolutionCall.LargestWidth];
            for (int place = 0; place < call.Width - 1; place++)
            {
                Ahead(sequence, tile, sequence.Start + place - (call.Width - 1), block, filters, zeros, taps, values);
                float* state = gradients.StateRow(sequence.Index, place) + block.Start;
                ConvolutionRows.WeightedSum<TSimd, TVector>(state, state, taps, values, call.Width, block.Count);
            }
        }

        /// <summary>What meets at position <paramref name="at"/>: each later token's gradient and the tap that reaches back to it.</summary>
        private void Ahead(
            TokenSequence sequence, long tile, long at, ChannelBlock block, FilterTile filters, float* zeros, float** taps, float** values)
        {
            float* start = gradients.Y[sequence.Start] + block.Start;
            for (int w = 0; w < call.Width; w++)
            {
                bool inside = sequence.Contains(at + w);
                values[w] = inside ? start + ((at + w - sequence.Start) * gradients.Y.TimeStride) : zeros;
                taps[w] = inside ? filters[at + w - tile, w] : zeros;
            }
        }

        private void Multiply<TSimd, TVector>(
            TFilter own, long token, long rows, ChannelBlock block, float* products, float* sums, float* zeros)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            bool reduceOneByOne = products is not null && !own.UsesTiles<TSimd, TVector>();
            long end = token + rows;
            for (long at = token; at < end;)
            {
                TokenSequence sequence = call.Sequences.At(at);
                long interior = Math.Max(at, sequence.Start + call.Width - 1);
                long stop = Math.Min(end, sequence.End);
                for (; at < Math.Min(interior, stop); at++)
                {
                    float* row = ProductRow(products, at - token, block);
                    MultiplyEdge<TSimd, TVector>(sequence, at, block, row, sums, zeros);
                    if (reduceOneByOne)
                    {
                        own.Reduce<TSimd, TVector>(at, 1, row);
                    }
                }

                if (at < stop)
                {
                    own.Multiply<TSimd, TVector>(
                        new(block, call.Width, at, stop - at, at - token), gradients.Y, call.X, products, sums);
                    at = stop;
                }
            }
        }

        private float* ProductRow(float* products, long row, ChannelBlock block) =>
            products is null ? null : products + (row * ConvolutionBlocking.TileStride(call.Width, block.Count));

        /// <summary>One of the first W - 1 tokens of a sequence, whose window reaches before its start.</summary>
        private void MultiplyEdge<TSimd, TVector>(
            TokenSequence sequence, long token, ChannelBlock block, float* products, float* sums, float* zeros)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            float** values = stackalloc float*[ConvolutionCall.LargestWidth];
            float** factors = stackalloc float*[1];
            factors[0] = gradients.Y[token] + block.Start;
            call.Window(sequence, token, block, zeros, values);
            for (int w = 0; w < call.Width; w++)
            {
                if (products is not null)
                {
                    float* product = products + (w * block.Count);
                    ConvolutionRows.WeightedSum<TSimd, TVector>(product, zeros, factors, values + w, 1, block.Count);
                }

                if (sums is not null)
                {
                    float* sum = sums + (w * block.Count);
                    ConvolutionRows.WeightedSum<TSimd, TVector>(sum, sum, factors, values + w, 1, block.Count);
                }
            }
        }

        private void StoreStaticSums(ChannelBlock block, float* sums)
        {
            if (gradients.StaticPartials is null)
            {
                return;
            }

            float* to = gradients.StaticPartials.Float() + (part * call.Width * call.Channels) + block.Start;
            for (int w = 0; w < call.Width; w++)
            {
                new Span<float>(sums + (w * block.Count), (int)block.Count).CopyTo(new Span<float>(to + (w * call.Channels), (int)block.Count));
            }
        }
    }
}
