using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DynConv.Cpu;

namespace DynConv;

internal static unsafe partial class StridedCopy
{
    private static void CopyCpu(Tensor source, Tensor destination)
    {
        var walk = RowWalk.OverElements(source, destination);
        byte* from = source.Bytes();
        byte* to = destination.Bytes();
        (DType fromType, DType toType) = (source.DType, destination.DType);
        (int fromSize, int toSize) = (fromType.SizeInBytes(), toType.SizeInBytes());
        long fromStride = walk.InnerStride(0);
        long toStride = walk.InnerStride(1);
        Workers.For(walk.Blocks, block =>
        {
            (long first, long end, long start, long length) = walk.Block(block);
            for (long row = first; row < end; row++)
            {
                byte* s = from + ((walk.Offset(0, row) + (start * fromStride)) * fromSize);
                byte* d = to + ((walk.Offset(1, row) + (start * toStride)) * toSize);
                if (fromType == toType)
                {
                    CopyRow(s, fromStride, d, toStride, length, fromSize);
                }
                else if (toType == DType.BFloat16)
                {
                    Narrow((float*)s, fromStride, (BFloat16*)d, toStride, length);
                }
                else
                {
                    Widen((BFloat16*)s, fromStride, (float*)d, toStride, length);
                }
            }
        });
    }

    private static void AddCpu(Tensor source, Tensor destination) =>
        ElementLoop.Run(default(AddTo), source, destination);

    private static void ClearCpu(Tensor destination)
    {
        var walk = RowWalk.OverElements(destination);
        byte* to = destination.Bytes();
        int size = destination.DType.SizeInBytes();
        long stride = walk.InnerStride(0);
        Workers.For(walk.Blocks, block =>
        {
            (long first, long end, long start, long length) = walk.Block(block);
            for (long row = first; row < end; row++)
            {
                ClearRow(to + ((walk.Offset(0, row) + (start * stride)) * size), stride, length, size);
            }
        });
    }

    private static bool IsFiniteCpu(Tensor tensor)
    {
        var walk = RowWalk.OverElements(tensor);
        float* values = tensor.Float();
        long stride = walk.InnerStride(0);
        for (long row = 0; row < walk.Rows; row++)
        {
            float* at = values + walk.Offset(0, row);
            for (long i = 0; i < walk.Length; i++)
            {
                if (!float.IsFinite(at[i * stride]))
                {
                    return false;
                }
            }
        }

        return true;
    }

    private static void CopyRow(byte* from, long fromStride, byte* to, long toStride, long length, int size)
    {
        if (fromStride == 1 && toStride == 1)
        {
            Buffer.MemoryCopy(from, to, length * size, length * size);
        }
        else if (size == 4)
        {
            for (long i = 0; i < length; i++)
            {
                ((uint*)to)[i * toStride] = ((uint*)from)[i * fromStride];
            }
        }
        else
        {
            for (long i = 0; i < length; i++)
            {
                ((ushort*)to)[i * toStride] = ((ushort*)from)[i * fromStride];
            }
        }
    }

    private static void Narrow(float* from, long fromStride, BFloat16* to, long toStride, long length)
    {
        for (long i = 0; i < length; i++)
        {
            to[i * toStride] = (BFloat16)from[i * fromStride];
        }
    }

    private static void Widen(BFloat16* from, long fromStride, float* to, long toStride, long length)
    {
        for (long i = 0; i < length; i++)
        {
            to[i * toStride] = (float)from[i * fromStride];
        }
    }

    private static void ClearRow(byte* to, long stride, long length, int size)
    {
        if (stride == 1)
        {
            NativeMemory.Clear(to, (nuint)(length * size));
            return;
        }

        for (long i = 0; i < length; i++)
        {
            NativeMemory.Clear(to + (i * stride * size), (nuint)size);
        }
    }

    /// <summary>Row 1 += row 0.</summary>
    private readonly struct AddTo : IElementKernel
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TSimd, TVector>(float** rows, long i)
            where TSimd : struct, ISimd<TVector>
            where TVector : struct =>
            TSimd.Store(rows[1] + i, TSimd.Add(TSimd.Load(rows[1] + i), TSimd.Load(rows[0] + i)));
    }
}
