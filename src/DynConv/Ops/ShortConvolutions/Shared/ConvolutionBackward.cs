using DynConv.Cpu;

namespace DynConv.Ops;

/// <summary>
/// The backward pass of all three kinds. One pass over x and dy makes <c>dx[t] = Σ_w f[t + w, w] · dy[t + w]</c>, the
/// initial state's gradient (the same sum at negative t), the products <c>dy[t] · x[t - w]</c>, their sum over time
/// for the static weight, and whatever the kind of filter makes of them.
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
            Simd.Run(new Kernel<TFilter>(call, gradients, filter, blocking, mode, block % blocking.Groups, block / blocking.Groups), filter.HeadSize));
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
            long tileFloats = call.MostEdges * ConvolutionBlocking.TileStride(call.Width, channels);
            using var scratch = new ConvolutionScratch(
                ConvolutionScratch.Padded(tileFloats)
                + ConvolutionScratch.Padded(call.Width * channels)
                + ConvolutionScratch.Padded(channels)
                + filter.ScratchFloats);
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
                        Correlate<TSimd, TVector>(ref own, token, rows, block, tile, zeros);
                    }

                    // From here on the filters are spent and the products take their place.
                    if (own.NeedsProducts || sums is not null)
                    {
                        Multiply<TSimd, TVector>(ref own, token, rows, block, tile, sums, zeros);
                    }
                }

                StoreStaticSums(block, sums);
                own.End(part);
            }
        }

        private void Correlate<TSimd, TVector>(ref TFilter own, long token, long rows, ChannelBlock block, float* tile, float* zeros)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            long end = token + rows;
            FilterTile filters = default;
            for (long at = token; at < end;)
            {
                TokenSequence sequence = call.Sequences.At(at);
                if (gradients.NeedsState && at == sequence.Start)
                {
                    Fill<TSimd, TVector>(ref own, ref filters, at, Math.Min(call.Width - 1, sequence.End - at), tile);
                    CorrelateState<TSimd, TVector>(sequence, block, filters, zeros);
                }

                long stop = Math.Min(end, sequence.End);
                long edge = Math.Clamp(sequence.End - (call.Width - 1), at, stop);
                if (gradients.NeedsX && at < edge)
                {
                    own.Correlate<TSimd, TVector>(
                        gradients.X.BackFrom(edge - 1, block),
                        gradients.Y.BackFrom(edge - 1, block),
                        edge - 1,
                        edge - at,
                        mode);
                }

                if (gradients.NeedsX && edge < stop)
                {
                    Fill<TSimd, TVector>(ref own, ref filters, edge, sequence.End - edge, tile);
                    for (at = edge; at < stop; at++)
                    {
                        CorrelateEdge<TSimd, TVector>(sequence, at, block, filters, zeros);
                    }
                }

                at = stop;
            }
        }

        /// <summary>The filters that meet at an edge, of at most W - 1 tokens, and those of the edges that follow at once.</summary>
        private void Fill<TSimd, TVector>(ref TFilter own, ref FilterTile filters, long token, long tokens, float* tile)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            if (!filters.Holds(token, tokens))
            {
                filters = own.Fill<TSimd, TVector>(token, Math.Max(tokens, call.Edges(token, blocking.Tokens, atStart: false)), tile);
            }
        }

        /// <summary>One of the last W - 1 tokens of a sequence, where some taps of later tokens are missing.</summary>
        private void CorrelateEdge<TSimd, TVector>(
            TokenSequence sequence, long token, ChannelBlock block, FilterTile filters, float* zeros)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            float** taps = stackalloc float*[ConvolutionCall.LargestWidth];
            float** values = stackalloc float*[ConvolutionCall.LargestWidth];
            Ahead(sequence, token, block, filters, zeros, taps, values);
            float* dx = gradients.X[token] + block.Start;
            float* initial = call.Residual ? values[0] : zeros;
            if (gradients.AccumulateX)
            {
                ConvolutionRows.Add<TSimd, TVector>(dx, initial, block.Count);
                initial = dx;
            }

            ConvolutionRows.WeightedSum<TSimd, TVector>(dx, initial, taps, values, call.Width, block.Count);
        }

        private void CorrelateState<TSimd, TVector>(
            TokenSequence sequence, ChannelBlock block, FilterTile filters, float* zeros)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            float** taps = stackalloc float*[ConvolutionCall.LargestWidth];
            float** values = stackalloc float*[ConvolutionCall.LargestWidth];
            for (int place = 0; place < call.Width - 1; place++)
            {
                Ahead(sequence, sequence.Start + place - (call.Width - 1), block, filters, zeros, taps, values);
                float* state = gradients.StateRow(sequence.Index, place) + block.Start;
                ConvolutionRows.WeightedSum<TSimd, TVector>(state, state, taps, values, call.Width, block.Count);
            }
        }

        /// <summary>What meets at position <paramref name="at"/>: each later token's gradient and the tap that reaches back to it.</summary>
        private void Ahead(
            TokenSequence sequence, long at, ChannelBlock block, FilterTile filters, float* zeros, float** taps, float** values)
        {
            float* start = gradients.Y[sequence.Start] + block.Start;
            for (int w = 0; w < call.Width; w++)
            {
                bool inside = sequence.Contains(at + w);
                values[w] = inside ? start + ((at + w - sequence.Start) * gradients.Y.TimeStride) : zeros;
                taps[w] = inside ? filters[at + w, w] : zeros;
            }
        }

        private void Multiply<TSimd, TVector>(
            ref TFilter own, long token, long rows, ChannelBlock block, float* tile, float* sums, float* zeros)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            long end = token + rows;
            for (long at = token; at < end;)
            {
                if (call.Edges(at, end, atStart: true) is > 0 and long edges)
                {
                    float* products = own.NeedsProducts ? tile : null;
                    for (long edge = at + edges; at < edge; at++)
                    {
                        MultiplyEdge<TSimd, TVector>(call.Sequences.At(at), at, block, products, sums, zeros);
                        products += products is null ? 0 : ConvolutionBlocking.TileStride(call.Width, block.Count);
                    }

                    if (own.NeedsProducts)
                    {
                        own.Reduce<TSimd, TVector>(at - edges, edges, tile);
                    }
                }
                else
                {
                    long stop = Math.Min(end, call.Sequences.At(at).End);
                    own.Multiply<TSimd, TVector>(
                        new Strided(sums, block.Count),
                        gradients.Y.From(at, block),
                        call.X.From(at, block),
                        at,
                        stop - at);
                    at = stop;
                }
            }
        }

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
