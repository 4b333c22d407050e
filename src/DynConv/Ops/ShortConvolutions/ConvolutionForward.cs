using System.Runtime.CompilerServices;
using DynConv.Cpu;

namespace DynConv.Ops;

/// <summary>The forward pass of all three kinds: <c>y[t] = Σ_w f[t, w] · x[t - w]</c>, with the residual or without.</summary>
internal static unsafe class ConvolutionForward
{
    public static void Run<TFilter>(ConvolutionCall call, TFilter filter, ConvolutionBlocking blocking)
        where TFilter : struct, IConvolutionFilter
    {
        Workers.For(blocking.Blocks, block =>
            Simd.Run(new Kernel<TFilter>(call, filter, blocking, block % blocking.Groups, block / blocking.Groups)));
    }

    private readonly struct Kernel<TFilter>(
        ConvolutionCall call, TFilter filter, ConvolutionBlocking blocking, long group, long part) : ISimdKernel
        where TFilter : struct, IConvolutionFilter
    {
        public void Invoke<TSimd, TVector>()
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            long channels = blocking.BlockChannels;
            long tileFloats = blocking.TileTokens * call.Width * channels;
            using var scratch = new ConvolutionScratch(
                ConvolutionScratch.Padded(tileFloats) + ConvolutionScratch.Padded(channels) + filter.ScratchFloats(channels));
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
                    FilterTile filters = own.Fill<TSimd, TVector>(token, rows, tile);
                    Convolve<TSimd, TVector>(token, rows, block, filters, zeros);
                }
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Convolve<TSimd, TVector>(long token, long rows, ChannelBlock block, FilterTile filters, float* zeros)
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

                call.Window(sequence, token + row, block, zeros, values);
                for (int w = 0; w < call.Width; w++)
                {
                    taps[w] = filters[row, w];
                }

                ConvolutionRows.WeightedSum<TSimd, TVector>(
                    call.Y[token + row] + block.Start, call.Residual ? values[0] : zeros, taps, values, call.Width, block.Count);
            }
        }
    }
}
