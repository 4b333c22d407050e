using System.Runtime.CompilerServices;
using DynConv.Cpu;

namespace DynConv.Ops;

/// <summary>Sums over all elements of a float32 tensor of any strides, the same for any number of threads.</summary>
internal static unsafe class BlockSum
{
    // Lanes sum this many elements in float32 before they join the float64 sum: few enough to lose next to nothing.
    private const long Chunk = 1024;

    public static double Of<TTerm>(TTerm term, Tensor x)
        where TTerm : struct, ISumTerm
    {
        var walk = RowWalk.OverElements(x);
        float* values = x.Float();
        var partials = new double[walk.Blocks];
        Workers.For(walk.Blocks, block => Simd.Run(new Block<TTerm>(term, walk, values, block, partials)));
        double sum = 0;
        foreach (double partial in partials)
        {
            sum += partial;
        }

        return sum;
    }

    private readonly struct Block<TTerm>(TTerm term, RowWalk walk, float* values, long block, double[] partials)
        : ISimdKernel
        where TTerm : struct, ISumTerm
    {
        public void Invoke<TSimd, TVector>()
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            (long first, long end, long start, long length) = walk.Block(block);
            long stride = walk.InnerStride(0);
            double sum = 0;
            for (long row = first; row < end; row++)
            {
                float* x = values + walk.Offset(0, row) + (start * stride);
                sum += walk.IsDense ? DenseRow<TSimd, TVector>(x, length) : StridedRow(x, stride, length);
            }

            partials[block] = sum;
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private double DenseRow<TSimd, TVector>(float* x, long length)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            double sum = 0;
            for (long start = 0; start < length; start += Chunk)
            {
                long end = Math.Min(length, start + Chunk);
                long i = start;
                TVector lanes = TSimd.Zero;
                for (; i + TSimd.Width <= end; i += TSimd.Width)
                {
                    lanes = TSimd.Add(lanes, term.Of<TSimd, TVector>(TSimd.Load(x + i)));
                }

                sum += TSimd.Sum(lanes);
                for (; i < end; i++)
                {
                    sum += term.Of<SimdScalar, float>(x[i]);
                }
            }

            return sum;
        }

        private double StridedRow(float* x, long stride, long length)
        {
            double sum = 0;
            for (long i = 0; i < length; i++)
            {
                sum += term.Of<SimdScalar, float>(x[i * stride]);
            }

            return sum;
        }
    }
}
