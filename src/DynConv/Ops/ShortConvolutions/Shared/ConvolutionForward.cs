using DynConv.Cpu;

namespace DynConv.Ops;

/// <summary>The forward pass of all three kinds: <c>y[t] = Σ_w f[t, w] · x[t - w]</c>, with the residual or without, and what becomes of that sum.</summary>
internal static unsafe class ConvolutionForward
{
    public static void Run<TFilter>(ConvolutionCall call, TFilter filter, ConvolutionBlocking blocking)
        where TFilter : struct, IConvolutionFilter
    {
        ConvolveMode mode = call.Residual ? ConvolveMode.Residual : ConvolveMode.None;
        if (call.Finish.IsPlain && call.Y.SuitsNonTemporalStores(blocking.Tokens, blocking.Channels))
        {
            mode |= ConvolveMode.NonTemporal;
        }

        Workers.For(blocking.Blocks, block =>
            Simd.Run(new Kernel<TFilter>(call, filter, blocking, mode, block % blocking.Groups, block / blocking.Groups), filter.HeadSize));
    }

    private readonly struct Kernel<TFilter>(
        ConvolutionCall call, TFilter filter, ConvolutionBlocking blocking, ConvolveMode mode, long group, long part)
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
                ConvolutionScratch.Padded(tileFloats) + ConvolutionScratch.Padded(channels) + filter.ScratchFloats);
            float* tile = scratch.Take(tileFloats);
            float* zeros = scratch.Take(channels);
            new Span<float>(zeros, (int)channels).Clear();
            (long first, long last) = blocking.TokensOfPart(part);
            TFilter own = filter;
            foreach (ChannelBlock block in blocking.BlocksOfGroup(group))
            {
                own.Begin(scratch, block);
                for (long token = first; token < last; token += blocking.TileTokens)
                {
                    long rows = Math.Min(blocking.TileTokens, last - token);
                    Convolve<TSimd, TVector>(ref own, token, rows, block, tile, zeros);
                    if (!call.Finish.IsPlain)
                    {
                        call.Finish.Apply<TSimd, TVector>(call.Y, token, rows, block);
                    }
                }
            }
        }

        private void Convolve<TSimd, TVector>(ref TFilter own, long token, long rows, ChannelBlock block, float* tile, float* zeros)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            long end = token + rows;
            for (long at = token; at < end;)
            {
                if (call.Edges(at, end, atStart: true) is > 0 and long edges)
                {
                    FilterTile filters = own.Fill<TSimd, TVector>(at, edges, tile);
                    for (long edge = at + edges; at < edge; at++)
                    {
                        ConvolveEdge<TSimd, TVector>(call.Sequences.At(at), at, block, filters, zeros);
                    }
                }
                else
                {
                    long stop = Math.Min(end, call.Sequences.At(at).End);
                    own.Convolve<TSimd, TVector>(call.Y.From(at, block), call.X.From(at, block), at, stop - at, mode);
                    at = stop;
                }
            }
        }

        /// <summary>One of the first W - 1 tokens of a sequence, whose window reaches before its start.</summary>
        private void ConvolveEdge<TSimd, TVector>(
            TokenSequence sequence, long token, ChannelBlock block, FilterTile filters, float* zeros)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            float** taps = stackalloc float*[ConvolutionCall.LargestWidth];
            float** values = stackalloc float*[ConvolutionCall.LargestWidth];
            call.Window(sequence, token, block, zeros, values);
            for (int w = 0; w < call.Width; w++)
            {
                taps[w] = filters[token, w];
            }

            ConvolutionRows.WeightedSum<TSimd, TVector>(
                call.Y[token] + block.Start, call.Residual ? values[0] : zeros, taps, values, call.Width, block.Count);
        }
    }
}
