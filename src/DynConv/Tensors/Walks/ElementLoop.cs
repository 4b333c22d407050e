using System.Runtime.CompilerServices;
using DynConv.Cpu;

namespace DynConv;

/// <summary>Runs an <see cref="IElementKernel"/> over float32 tensors of one shape and any strides.</summary>
internal static unsafe class ElementLoop
{
    private const int MostTensors = 5;

    public static void Run<TKernel>(TKernel kernel, params ReadOnlySpan<Tensor> tensors)
        where TKernel : struct, IElementKernel
    {
        var walk = RowWalk.OverElements(tensors);
        var bases = new float*[tensors.Length];
        for (int t = 0; t < bases.Length; t++)
        {
            bases[t] = tensors[t].Float();
        }

        Workers.For(walk.Blocks, block => Simd.Run(new Block<TKernel>(kernel, walk, bases, block)));
    }

    /// <summary>Writes a vector of a gradient, or adds it to what is there.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Write<TSimd, TVector>(float* place, TVector value, bool accumulate)
        where TSimd : struct, ISimd<TVector>
        where TVector : struct =>
        TSimd.Store(place, accumulate ? TSimd.Add(TSimd.Load(place), value) : value);

    private readonly struct Block<TKernel>(TKernel kernel, RowWalk walk, float*[] bases, long block) : ISimdKernel
        where TKernel : struct, IElementKernel
    {
        public void Invoke<TSimd, TVector>()
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            float** rows = stackalloc float*[MostTensors];
            (long first, long end, long start, long length) = walk.Block(block);
            for (long row = first; row < end; row++)
            {
                for (int t = 0; t < bases.Length; t++)
                {
                    rows[t] = bases[t] + walk.Offset(t, row) + (start * walk.InnerStride(t));
                }

                if (walk.IsDense)
                {
                    DenseRow<TSimd, TVector>(kernel, rows, length);
                }
                else
                {
                    StridedRow(rows, length);
                }
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static void DenseRow<TSimd, TVector>(TKernel kernel, float** rows, long length)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            long i = 0;
            for (; i + TSimd.Width <= length; i += TSimd.Width)
            {
                kernel.Apply<TSimd, TVector>(rows, i);
            }

            for (; i < length; i++)
            {
                kernel.Apply<SimdScalar, float>(rows, i);
            }
        }

        private void StridedRow(float** rows, long length)
        {
            for (long i = 0; i < length; i++)
            {
                kernel.Apply<SimdScalar, float>(rows, 0);
                for (int t = 0; t < bases.Length; t++)
                {
                    rows[t] += walk.InnerStride(t);
                }
            }
        }
    }
}
