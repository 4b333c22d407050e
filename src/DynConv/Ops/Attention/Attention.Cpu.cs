using DynConv.Cpu;

namespace DynConv.Ops;

public static unsafe partial class Attention
{
    private static Tensor CausalCpu(Tensor q, Tensor k, Tensor v, float scale, Tensor? bounds)
    {
        Tensor y = Tensor.Empty(q.Shape, q.DType, q.Device);
        Tensor statistics = Tensor.Empty([q.Shape[0], q.Shape[2], q.Shape[1], 2], q.DType, q.Device);
        ForwardCpu(q, k, v, scale, bounds, y, statistics);
        return Tape.Record(
            "attention", y, [q, k, v], [q, k, v, y, statistics, bounds], g => BackwardCpu(g, scale));
    }

    private static void ForwardCpu(
        Tensor q, Tensor k, Tensor v, float scale, Tensor? bounds, Tensor y, Tensor statistics)
    {
        (long batch, long queries, long heads) = (q.Shape[0], q.Shape[1], q.Shape[2]);
        if (q.Count == 0)
        {
            return;
        }

        CpuHeads output = CpuHeads.For(y);
        var pass = new AttentionForwardPass
        {
            Q = CpuHeads.Of(q),
            V = CpuHeads.Of(v),
            Y = output,
            TransposedKeys = TransposedKeysCpu(CpuHeads.Of(k)),
            Statistics = statistics.Float(),
            Range = KeyRange.Of(queries, k.Shape[1], bounds),
            Scale = scale,
        };
        long blocks = AttentionBlocks.Count(queries);

        // All queries of a head in a row find its keys and values in the cache. The last ones see the most keys and come
        // first, so that no thread is left with a long block at the end.
        Workers.For(batch * heads * blocks, item =>
        {
            (long rest, long late) = Math.DivRem(item, blocks);
            (long row, long head) = Math.DivRem(rest, heads);
            Simd.Run(new AttentionForward(pass, row, head, blocks - 1 - late));
        });
        output.CopyTo(y, accumulate: false);
    }

    /// <summary>
    /// <c>[B, Hkv, blocks, K, keys of a block]</c>, zero behind the last key: scores of neighbouring keys become
    /// neighbouring lanes.
    /// </summary>
    private static float* TransposedKeysCpu(CpuHeads k)
    {
        Shape shape = k.Tensor.Shape;
        (long keys, long groups, long channels) = (shape[1], shape[2], k.Channels);
        long blocks = AttentionBlocks.Count(keys);
        long size = channels * AttentionBlocks.Block;
        float* transposed = Tensor.Empty([shape[0] * groups * blocks, size], DType.Float32, k.Tensor.Device).Float();
        Workers.For(shape[0] * groups * blocks, item =>
        {
            (long rest, long block) = Math.DivRem(item, blocks);
            (long row, long group) = Math.DivRem(rest, groups);
            long first = block * AttentionBlocks.Block;
            long count = Math.Min(AttentionBlocks.Block, keys - first);
            AttentionBlocks.Transpose(k.At(row, first, group), k.TimeStride, count, channels, transposed + (item * size));
        });
        return transposed;
    }

    private static void BackwardCpu(BackwardContext g, float scale)
    {
        (Tensor q, Tensor k, Tensor v) = (g.Saved(0), g.Saved(1), g.Saved(2));
        (long batch, long groups) = (k.Shape[0], k.Shape[2]);
        CpuHeads dy = CpuHeads.Of(g.Gradient(0)!);
        var pass = new AttentionBackwardPass
        {
            Q = CpuHeads.Of(q),
            K = CpuHeads.Of(k),
            V = CpuHeads.Of(v),
            Upstream = dy,
            InnerProducts = InnerProductsCpu(dy, CpuHeads.Of(g.Saved(3))),
            Statistics = g.Saved(4).Float(),
            QGradient = new HeadGradient(g, 0, q),
            KGradient = new HeadGradient(g, 1, k),
            VGradient = new HeadGradient(g, 2, v),
            Range = KeyRange.Of(q.Shape[1], k.Shape[1], g.SavedOrNull(5)),
            Scale = scale,
        };
        Workers.For(batch * groups, item =>
        {
            (long row, long group) = Math.DivRem(item, groups);
            Simd.Run(new AttentionBackward(pass, row, group));
        });
        pass.QGradient.Finish();
        pass.KGradient.Finish();
        pass.VGradient.Finish();
    }

    /// <summary><c>dy . y</c> for each query, <c>[B, H, T]</c>: what the gradient of a softmax takes off.</summary>
    private static float* InnerProductsCpu(CpuHeads dy, CpuHeads y)
    {
        Shape shape = dy.Tensor.Shape;
        (long queries, long heads, long channels) = (shape[1], shape[2], dy.Channels);
        float* products = Tensor.Empty([shape[0], heads, queries], DType.Float32, dy.Tensor.Device).Float();
        Workers.For(shape[0] * heads, item =>
        {
            (long row, long head) = Math.DivRem(item, heads);
            Simd.Run(new InnerProducts(dy, y, row, head, queries, channels, products + (item * queries)));
        });
        return products;
    }

    private readonly struct InnerProducts(
        CpuHeads dy, CpuHeads y, long row, long head, long queries, long channels, float* products) : ISimdKernel
    {
        public void Invoke<TSimd, TVector>()
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            for (long t = 0; t < queries; t++)
            {
                products[t] = RowMath.Dot<TSimd, TVector>(dy.At(row, t, head), y.At(row, t, head), channels);
            }
        }
    }
}
