using System.Runtime.CompilerServices;
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
        Workers.For(blocking.Blocks, block =>
            Simd.Run(new Kernel<TFilter>(call, gradients, filter, blocking, block % blocking.Groups, block / blocking.Groups)));
    }

    private readonly struct Kernel<TFilter>(
        ConvolutionCall call, ConvolutionGradients gradients, TFilter filter, ConvolutionBlocking blocking, long group, long part)
        : ISimdKernel
        where TFilter : struct, IConvolutionFilter
    {
        public void Invoke<TSimd, TVector>()
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            long channels = blocking.BlockChannels;
            long tileFloats = (blocking.TileTokens + call.Width - 1) * call.Width * channels;
            using var scratch = new ConvolutionScratch(
                ConvolutionScratch.Padded(tileFloats)
                + ConvolutionScratch.Padded(call.Width * channels)
                + ConvolutionScratch.Padded(channels)
                + filter.ScratchFloats(channels));
            float* tile = scratch.Take(tileFloats);
            float* staticSums = scratch.Take(call.Width * channels);
            float* zeros = scratch.Take(channels);
            new Span<float>(zeros, (int)channels).Clear();
            (long first, long last) = blocking.TokensOfPart(part);
            TFilter own = filter;
            foreach (ChannelBlock block in blocking.BlocksOfGroup(group))
            {
                own.Begin(scratch, block);
                new Span<float>(staticSums, (int)(call.Width * block.Count)).Clear();
                for (long token = first; token < last; token += blocking.TileTokens)
                {
                    long rows = Math.Min(blocking.TileTokens, last - token);
                    if (gradients.NeedsInputs)
                    {
                        long reach = Math.Min(rows + call.Width - 1, blocking.Tokens - token);
                        FilterTile filters = own.Fill<TSimd, TVector>(token, reach, tile);
                        Correlate<TSimd, TVector>(token, rows, block, filters, zeros);
                    }

                    // From here on the filters are spent and the products take their place.
                    if (gradients.StaticPartials is not null || own.NeedsProducts)
                    {
                        Multiply<TSimd, TVector>(token, rows, block, tile, zeros);
                        if (gradients.StaticPartials is not null)
                        {
                            long size = call.Width * block.Count;
                            ConvolutionRows.AddRows<TSimd, TVector>(staticSums, tile, size, rows, size);
                        }

                        if (own.NeedsProducts)
                        {
                            own.Reduce<TSimd, TVector>(token, rows, tile);
                        }
                    }
                }

                StoreStaticSums(block, staticSums);
                own.End(part);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Correlate<TSimd, TVector>(long token, long rows, ChannelBlock block, FilterTile filters, float* zeros)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            float** taps = stackalloc float*[ConvolutionCall.LargestWidth];
            float** values = stackalloc float*[ConvolutionCall.LargestWidth];
            TokenSequence sequence = default;
            for (long row = 0; row < rows; row++)
            {
                if (!sequence.Contains(token + row))
                {
                    sequence = call.Sequences.At(token + row);
                }

                if (gradients.NeedsState && token + row == sequence.Start)
                {
                    for (int step = 1 - call.Width; step < 0; step++)
                    {
                        Ahead(sequence, token, sequence.Start + step, block, filters, zeros, taps, values);
                        float* state = gradients.StateRow(sequence.Index, call.Width - 1 + step) + block.Start;
                        ConvolutionRows.WeightedSum<TSimd, TVector>(state, state, taps, values, call.Width, block.Count);
                    }
                }

                if (gradients.NeedsX)
                {
                    Ahead(sequence, token, token + row, block, filters, zeros, taps, values);
                    float* dx = gradients.X[token + row] + block.Start;
                    float* initial = call.Residual ? values[0] : zeros;
                    if (gradients.AccumulateX)
                    {
                        ConvolutionRows.AddRows<TSimd, TVector>(dx, initial, 0, 1, block.Count);
                        initial = dx;
                    }

                    ConvolutionRows.WeightedSum<TSimd, TVector>(dx, initial, taps, values, call.Width, block.Count);
                }
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

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Multiply<TSimd, TVector>(long token, long rows, ChannelBlock block, float* products, float* zeros)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            float** values = stackalloc float*[ConvolutionCall.LargestWidth];
            TokenSequence sequence = default;
            for (long row = 0; row < rows; row++)
            {
                if (!sequence.Contains(token + row))
                {
                    sequence = call.Sequences.At(token + row);
                }

                call.Window(sequence, token + row, block, zeros, values);
                ConvolutionRows.Products<TSimd, TVector>(
                    products + (row * call.Width * block.Count),
                    block.Count,
                    gradients.Y[token + row] + block.Start,
                    values,
                    call.Width,
                    block.Count);
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
