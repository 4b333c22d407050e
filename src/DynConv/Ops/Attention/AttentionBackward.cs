using System.Runtime.CompilerServices;
using DynConv.Cpu;

namespace DynConv.Ops;

/// <summary>
/// One key and value head of one batch row: for each block of keys, all queries of all heads that share it, so that
/// every gradient is summed in one order.
/// </summary>
internal readonly unsafe struct AttentionBackward(AttentionBackwardPass pass, long batch, long group) : ISimdKernel
{
    private const long Block = AttentionBlocks.Block;
    private const long Strip = 32;

    public void Invoke<TSimd, TVector>()
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        long size = Block * pass.K.Channels;
        using Tensor scratch = Tensor.Empty([(4 * size) + (2 * Strip * Block)]);
        float* keys = scratch.Float();
        float* values = keys + size;
        float* dk = values + size;
        float* dv = dk + size;
        float* probabilities = dv + size;
        for (long keyBlock = 0; keyBlock < AttentionBlocks.Count(pass.Keys); keyBlock++)
        {
            long firstKey = keyBlock * Block;
            long count = Math.Min(Block, pass.Keys - firstKey);
            long channels = pass.K.Channels;
            AttentionBlocks.Transpose(pass.K.At(batch, firstKey, group), pass.K.TimeStride, count, channels, keys);
            AttentionBlocks.Transpose(pass.V.At(batch, firstKey, group), pass.V.TimeStride, count, channels, values);
            new Span<float>(dk, checked((int)(2 * size))).Clear();
            long shared = pass.QueryHeads / pass.KeyHeads;
            for (long head = group * shared; head < (group + 1) * shared; head++)
            {
                // The first query that sees a key of the block is the one at its position or before it.
                long past = pass.Keys - pass.Queries;
                for (long query = Math.Max(0, firstKey - past) / Strip * Strip; query < pass.Queries; query += Strip)
                {
                    if (pass.Range.First(query) >= firstKey + Block)
                    {
                        break;
                    }

                    long rows = Math.Min(Strip, pass.Queries - query);
                    Gradients<TSimd, TVector>(head, query, rows, firstKey, keys, values, probabilities, dk, dv);
                }
            }

            Write<TSimd, TVector>(pass.KGradient, dk, firstKey, count);
            Write<TSimd, TVector>(pass.VGradient, dv, firstKey, count);
        }
    }

    /// <summary>
    /// What one strip of queries and one block of keys give each other. With p the probabilities and s the scores:
    /// <c>dv += p^T dy</c>, <c>dp = dy v^T</c>, <c>ds = p (dp - dy . y)</c>, <c>dq += scale ds k</c>,
    /// <c>dk += scale ds^T q</c>.
    /// </summary>
    private void Gradients<TSimd, TVector>(
        long head, long query, long rows, long firstKey, float* keys, float* values, float* p, float* dk, float* dv)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        (long first, long end) = AttentionBlocks.Columns(pass.Range, query, rows, firstKey);
        if (first >= end)
        {
            return;
        }

        long channels = pass.K.Channels;
        long width = end - first;
        float* ds = p + (Strip * Block);
        float* q = pass.Q.At(batch, query, head);
        float* dy = pass.Upstream.At(batch, query, head);
        SmallProduct.Operand queries = new(q, pass.Q.TimeStride);
        SmallProduct.Operand upstream = new(dy, pass.Upstream.TimeStride);
        SmallProduct.Multiply<TSimd, TVector>(
            queries, new(keys + first, Block), default, new(p + first, Block), m: rows, n: width, k: channels);
        SmallProduct.Multiply<TSimd, TVector>(
            upstream, new(values + first, Block), default, new(ds + first, Block), m: rows, n: width, k: channels);
        long item = (((batch * pass.QueryHeads) + head) * pass.Queries) + query;
        for (long row = 0; row < rows; row++)
        {
            float* line = p + (row * Block);
            AttentionBlocks.Mask(line, first, end, pass.Range, query + row, firstKey);
            Softmax<TSimd, TVector>(
                line + first, ds + (row * Block) + first, width,
                pass.Statistics + (2 * (item + row)), pass.InnerProducts[item + row]);
        }

        SmallProduct.Operand valueSums = new(dv + (first * channels), channels);
        SmallProduct.Operand keySums = new(dk + (first * channels), channels);
        SmallProduct.Multiply<TSimd, TVector>(
            new(p + first, 1, Block), upstream, valueSums, valueSums, m: width, n: channels, k: rows);
        SmallProduct.Multiply<TSimd, TVector>(
            new(ds + first, 1, Block), queries, keySums, keySums, m: width, n: channels, k: rows);

        // A strip's first block of keys starts its sum.
        CpuHeads dq = pass.QGradient.Place;
        bool add = pass.QGradient.Accumulate || pass.Range.First(query) < firstKey;
        SmallProduct.Operand querySums = new(dq.At(batch, query, head), dq.TimeStride);
        SmallProduct.Multiply<TSimd, TVector>(
            new(ds + first, Block),
            new(pass.K.At(batch, firstKey + first, group), pass.K.TimeStride),
            add ? querySums : default,
            querySums,
            m: rows,
            n: channels,
            k: Math.Min(end, pass.Keys - firstKey) - first);
    }

    /// <summary>Products of q and k become probabilities, and gradients of probabilities those of the products.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Softmax<TSimd, TVector>(float* p, float* dp, long count, float* statistics, float innerProduct)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        TVector max = TSimd.Broadcast(statistics[0]);
        TVector inverse = TSimd.Broadcast(statistics[1]);
        TVector inner = TSimd.Broadcast(innerProduct);
        TVector scale = TSimd.Broadcast(pass.Scale);
        for (long i = 0; i < count; i += TSimd.Width)
        {
            TVector score = TSimd.Multiply(TSimd.Load(p + i), scale);
            TVector exponential = Simd.Exp<TSimd, TVector>(TSimd.Subtract(score, max));
            TVector probability = TSimd.Multiply(exponential, inverse);
            TSimd.Store(p + i, probability);
            TVector difference = TSimd.Subtract(TSimd.Load(dp + i), inner);
            TSimd.Store(dp + i, TSimd.Multiply(TSimd.Multiply(probability, difference), scale));
        }
    }

    private void Write<TSimd, TVector>(HeadGradient gradient, float* from, long firstKey, long count)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        long channels = pass.K.Channels;
        for (long row = 0; row < count; row++)
        {
            float* to = gradient.Place.At(batch, firstKey + row, group);
            for (long i = 0; i < channels; i += TSimd.Width)
            {
                ElementLoop.Write<TSimd, TVector>(to + i, TSimd.Load(from + (row * channels) + i), gradient.Accumulate);
            }
        }
    }
}
