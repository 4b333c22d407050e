using System.Runtime.CompilerServices;
using DynConv.Cpu;

namespace DynConv.Ops;

public static unsafe partial class EmbeddingLookup
{
    // Channels that one thread sums at a time. It goes through all tokens in order, so that sums for one id have one
    // order and no two threads meet in a row.
    private const long ChannelBlock = 64;

    private static void CheckIdsCpu(Tensor weight, Tensor ids)
    {
        long rows = weight.Shape[0];
        int* id = ids.Int();
        for (long n = 0; n < ids.Count; n++)
        {
            if (id[n] < 0 || id[n] >= rows)
            {
                throw new TensorException("embedding", $"id {id[n]} lies outside the table of {rows} rows.", weight, ids);
            }
        }
    }

    private static void ForwardCpu(Tensor weight, Tensor ids, Tensor y)
    {
        long d = weight.Shape[1];
        long stride = weight.Strides[0];
        float* table = weight.Float();
        float* to = y.Float();
        int* id = ids.Int();
        Workers.ForRange(ids.Count, Math.Max(1, RowWalk.BlockElements / Math.Max(1, d)), (start, end) =>
        {
            for (long n = start; n < end; n++)
            {
                Buffer.MemoryCopy(table + (id[n] * stride), to + (n * d), d * sizeof(float), d * sizeof(float));
            }
        });
    }

    /// <summary><c>target[ids[n], :] += dy[n, :]</c>, in the order of n.</summary>
    private static void BackwardCpu(Tensor dy, Tensor ids, Tensor target)
    {
        var walk = RowWalk.OverRows(dy);
        float* from = dy.Float();
        float* to = target.Float();
        long stride = target.Strides[0];
        int* id = ids.Int();
        long grain = walk.Rows * walk.Length <= RowWalk.BlockElements ? walk.Length : ChannelBlock;
        Workers.ForRange(walk.Length, Math.Max(1, grain), (start, end) =>
            Simd.Run(new ScatterKernel(from + start, walk, id, to + start, stride, end - start)));
    }

    private readonly struct ScatterKernel(float* from, RowWalk walk, int* ids, float* to, long stride, long channels)
        : ISimdKernel
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Invoke<TSimd, TVector>()
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            for (long row = 0; row < walk.Rows; row++)
            {
                float* source = from + walk.Offset(0, row);
                float* sum = to + (ids[row] * stride);
                long c = 0;
                for (; c + TSimd.Width <= channels; c += TSimd.Width)
                {
                    TSimd.Store(sum + c, TSimd.Add(TSimd.Load(sum + c), TSimd.Load(source + c)));
                }

                for (; c < channels; c++)
                {
                    sum[c] += source[c];
                }
            }
        }
    }
}
