using System.Runtime.InteropServices;
using DynConv.Cpu;

namespace DynConv.Ops;

internal static unsafe partial class StridedCopy
{
    // Elements that one block moves: enough to be worth a thread's while, small enough to spread.
    private const long BlockElements = 1 << 15;

    private static void CopyCpu(Tensor source, Tensor destination)
    {
        var walk = new RowWalk(source, destination);
        byte* from = source.Bytes();
        byte* to = destination.Bytes();
        int size = source.DType.SizeInBytes();
        Workers.ForRange(walk.Rows, walk.RowsPerBlock, (start, end) =>
        {
            for (long row = start; row < end; row++)
            {
                (long s, long d) = walk.Offsets(row);
                CopyRow(from + (s * size), walk.SourceStride, to + (d * size), walk.DestinationStride, walk.Length, size);
            }
        });
    }

    private static void AddCpu(Tensor source, Tensor destination)
    {
        var walk = new RowWalk(source, destination);
        float* from = source.Float();
        float* to = destination.Float();
        Workers.ForRange(walk.Rows, walk.RowsPerBlock, (start, end) =>
        {
            for (long row = start; row < end; row++)
            {
                (long s, long d) = walk.Offsets(row);
                if (walk.SourceStride == 1 && walk.DestinationStride == 1)
                {
                    Simd.Run(new AddRow(from + s, to + d, walk.Length));
                    continue;
                }

                for (long i = 0; i < walk.Length; i++)
                {
                    to[d + (i * walk.DestinationStride)] += from[s + (i * walk.SourceStride)];
                }
            }
        });
    }

    private static void ClearCpu(Tensor destination)
    {
        var walk = new RowWalk(destination, destination);
        byte* to = destination.Bytes();
        int size = destination.DType.SizeInBytes();
        Workers.ForRange(walk.Rows, walk.RowsPerBlock, (start, end) =>
        {
            for (long row = start; row < end; row++)
            {
                byte* place = to + (walk.Offsets(row).Destination * size);
                if (walk.DestinationStride == 1)
                {
                    NativeMemory.Clear(place, (nuint)(walk.Length * size));
                    continue;
                }

                for (long i = 0; i < walk.Length; i++)
                {
                    NativeMemory.Clear(place + (i * walk.DestinationStride * size), (nuint)size);
                }
            }
        });
    }

    private static bool IsFiniteCpu(Tensor tensor)
    {
        var walk = new RowWalk(tensor, tensor);
        float* values = tensor.Float();
        for (long row = 0; row < walk.Rows; row++)
        {
            float* at = values + walk.Offsets(row).Source;
            for (long i = 0; i < walk.Length; i++)
            {
                if (!float.IsFinite(at[i * walk.SourceStride]))
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

    private readonly struct AddRow(float* from, float* to, long length) : ISimdKernel
    {
        public void Invoke<TSimd, TVector>()
            where TSimd : struct, ISimd<TVector>
            where TVector : struct
        {
            long i = 0;
            for (; i + TSimd.Width <= length; i += TSimd.Width)
            {
                TSimd.Store(to + i, TSimd.Add(TSimd.Load(to + i), TSimd.Load(from + i)));
            }

            for (; i < length; i++)
            {
                to[i] += from[i];
            }
        }
    }

    /// <summary>Walks two tensors of one shape row by row, with neighbouring dimensions merged where both allow it.</summary>
    private sealed class RowWalk
    {
        private readonly List<long> _dimensions = [];
        private readonly List<long> _sources = [];
        private readonly List<long> _destinations = [];

        public RowWalk(Tensor source, Tensor destination)
        {
            for (int i = 0; i < source.Rank; i++)
            {
                long dimension = source.Shape[i];
                long s = source.Strides[i];
                long d = destination.Strides[i];
                if (dimension == 1)
                {
                    continue;
                }

                if (_dimensions.Count > 0 && _sources[^1] == s * dimension && _destinations[^1] == d * dimension)
                {
                    _dimensions[^1] *= dimension;
                    _sources[^1] = s;
                    _destinations[^1] = d;
                }
                else
                {
                    _dimensions.Add(dimension);
                    _sources.Add(s);
                    _destinations.Add(d);
                }
            }

            long count = source.Count;
            if (_dimensions.Count == 0)
            {
                (Length, SourceStride, DestinationStride, Rows) = (Math.Min(1, count), 1, 1, count);
            }
            else
            {
                (Length, SourceStride, DestinationStride) = (_dimensions[^1], _sources[^1], _destinations[^1]);
                _dimensions.RemoveAt(_dimensions.Count - 1);
                Rows = Length == 0 ? 0 : count / Length;
            }

            // One long row is worth as much as many short ones: cut it so that it, too, spreads over the threads.
            if (Rows == 1 && Length > BlockElements && Length % BlockElements == 0)
            {
                _dimensions.Add(Length / BlockElements);
                _sources.Insert(_sources.Count - 1, SourceStride * BlockElements);
                _destinations.Insert(_destinations.Count - 1, DestinationStride * BlockElements);
                (Rows, Length) = (Length / BlockElements, BlockElements);
            }

            RowsPerBlock = Math.Max(1, BlockElements / Math.Max(1, Length));
        }

        public long Rows { get; }

        public long Length { get; }

        public long SourceStride { get; }

        public long DestinationStride { get; }

        public long RowsPerBlock { get; }

        public (long Source, long Destination) Offsets(long row)
        {
            long source = 0;
            long destination = 0;
            for (int i = _dimensions.Count - 1; i >= 0; i--)
            {
                (row, long index) = Math.DivRem(row, _dimensions[i]);
                source += index * _sources[i];
                destination += index * _destinations[i];
            }

            return (source, destination);
        }
    }
}
