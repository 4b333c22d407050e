using System.Runtime.CompilerServices;
using DynConv.Cpu;

namespace DynConv.Ops;

/// <summary>One block of queries of one head: walks the blocks of keys with an online softmax.</summary>
internal readonly unsafe struct AttentionForward(AttentionForwardPass pass, long batch, long head, long queryBlock)
    : ISimdKernel
{
    private const long Strip = 16;

    public void Invoke<TSimd, TVector>()
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        long channels = pass.Q.Channels;
        long firstQuery = queryBlock * AttentionBlocks.Block;
        long queries = Math.Min(AttentionBlocks.Block, pass.Queries - firstQuery);
        using Tensor scratch = Tensor.Empty([(queries * (channels + 2)) + (Strip * AttentionBlocks.Block)]);
        float* sums = scratch.Float();
        float* scores = sums + (queries * channels);
        float* statistics = scores + (Strip * AttentionBlocks.Block);
        new Span<float>(sums, checked((int)(queries * channels))).Clear();
        for (long t = 0; t < queries; t++)
        {
            statistics[2 * t] = float.MinValue;
            statistics[(2 * t) + 1] = 0;
        }

        long firstBlock = pass.Range.First(firstQuery) / AttentionBlocks.Block;
        long endBlock = AttentionBlocks.Count(pass.Range.End(firstQuery + queries - 1));
        for (long keyBlock = firstBlock; keyBlock < endBlock; keyBlock++)
        {
            for (long t = 0; t < queries; t += Strip)
            {
                long rows = Math.Min(Strip, queries - t);
                Attend<TSimd, TVector>(
                    keyBlock, firstQuery + t, rows, scores, sums + (t * channels), statistics + (2 * t));
            }
        }

        for (long t = 0; t < queries; t++)
        {
            Finish<TSimd, TVector>(firstQuery + t, sums + (t * channels), statistics + (2 * t));
        }
    }

    /// <summary>Adds one block of keys to the sums of one strip of queries.</summary>
    private void Attend<TSimd, TVector>(
        long keyBlock, long query, long rows, float* scores, float* sums, float* statistics)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        const long Block = AttentionBlocks.Block;
        long channels = pass.Q.Channels;
        long firstKey = keyBlock * Block;
        (long first, long end) = AttentionBlocks.Columns(pass.Range, query, rows, firstKey);
        if (first >= end)
        {
            return;
        }

        long group = head / (pass.QueryHeads / pass.KeyHeads);
        long blocks = AttentionBlocks.Count(pass.Keys);
        float* keys = pass.TransposedKeys
            + ((((batch * pass.KeyHeads) + group) * blocks) + keyBlock) * channels * Block;
        SmallProduct.Multiply<TSimd, TVector>(
            new(pass.Q.At(batch, query, head), pass.Q.TimeStride),
            new(keys + first, Block),
            default,
            new(scores + first, Block),
            m: rows,
            n: end - first,
            k: channels);
        for (long row = 0; row < rows; row++)
        {
            float* line = scores + (row * Block);
            AttentionBlocks.Mask(line, first, end, pass.Range, query + row, firstKey);
            Exponentials<TSimd, TVector>(
                line + first, end - first, sums + (row * channels), channels, statistics + (2 * row));
        }

        SmallProduct.Operand to = new(sums, channels);
        SmallProduct.Multiply<TSimd, TVector>(
            new(scores + first, Block),
            new(pass.V.At(batch, firstKey + first, group), pass.V.TimeStride),
            to,
            to,
            m: rows,
            n: channels,
            k: Math.Min(end, pass.Keys - firstKey) - first);
    }

    /// <summary>
    /// Turns products into exponentials of scores relative to the largest so far, and the sums with them.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Exponentials<TSimd, TVector>(
        float* products, long count, float* sums, long channels, float* statistics)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        TVector scale = TSimd.Broadcast(pass.Scale);
        TVector largest = TSimd.Broadcast(statistics[0]);
        for (long i = 0; i < count; i += TSimd.Width)
        {
            largest = TSimd.Max(largest, TSimd.Multiply(TSimd.Load(products + i), scale));
        }

        float max = TSimd.MaxElement(largest);
        TVector shift = TSimd.Broadcast(max);
        TVector total = TSimd.Zero;
        for (long i = 0; i < count; i += TSimd.Width)
        {
            TVector score = TSimd.Multiply(TSimd.Load(products + i), scale);
            TVector exponential = Simd.Exp<TSimd, TVector>(TSimd.Subtract(score, shift));
            TSimd.Store(products + i, exponential);
            total = TSimd.Add(total, exponential);
        }

        if (max != statistics[0])
        {
            TVector change = Simd.Exp<TSimd, TVector>(TSimd.Broadcast(statistics[0] - max));
            Multiply<TSimd, TVector>(sums, change, sums, channels);
            statistics[0] = max;
            statistics[1] *= TSimd.MaxElement(change);
        }

        statistics[1] += TSimd.Sum(total);
    }

    private void Finish<TSimd, TVector>(long query, float* sums, float* statistics)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        float inverse = 1f / statistics[1];
        float* saved = pass.Statistics + (((((batch * pass.QueryHeads) + head) * pass.Queries) + query) * 2);
        saved[0] = statistics[0];
        saved[1] = inverse;
        Multiply<TSimd, TVector>(sums, TSimd.Broadcast(inverse), pass.Y.At(batch, query, head), pass.Q.Channels);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Multiply<TSimd, TVector>(float* from, TVector factor, float* to, long count)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        for (long i = 0; i < count; i += TSimd.Width)
        {
            TSimd.Store(to + i, TSimd.Multiply(TSimd.Load(from + i), factor));
        }
    }
}
