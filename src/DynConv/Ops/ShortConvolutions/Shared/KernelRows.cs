using System.Runtime.InteropServices;
using DynConv.Cuda;

namespace DynConv.Ops;

/// <summary><c>Rows</c> of convolution.cuh: where a <c>[B, T, C]</c> tensor with inner stride 1 lies. None is all zeros.</summary>
[StructLayout(LayoutKind.Sequential)]
[CudaStruct("convolution.cuh", "Rows<float>")]
internal readonly struct KernelRows
{
    private readonly nint _first;
    private readonly long _batchStride;
    private readonly long _timeStride;

    public KernelRows(Tensor? tensor)
    {
        if (tensor is not null)
        {
            _first = tensor.Address;
            _batchStride = tensor.Strides[0];
            _timeStride = tensor.Strides[1];
        }
    }

    /// <summary>
    /// The most elements, a power of two up to <paramref name="most"/>, that every row can be read in at a time: it
    /// starts at a multiple of their size.
    /// </summary>
    /// <param name="tensor">The tensor; null restricts nothing.</param>
    /// <param name="most">A power of two.</param>
    /// <param name="outerDimensions">Dimensions that tell rows apart.</param>
    public static int Pack(Tensor? tensor, int most, int outerDimensions = 2)
    {
        if (tensor is null)
        {
            return most;
        }

        long places = tensor.Address / tensor.DType.SizeInBytes();
        for (int i = 0; i < outerDimensions; i++)
        {
            places |= tensor.Shape[i] > 1 ? tensor.Strides[i] : 0;
        }

        while ((places & (most - 1)) != 0)
        {
            most /= 2;
        }

        return most;
    }
}

/// <summary><c>Sequences</c> of convolution.cuh.</summary>
[StructLayout(LayoutKind.Sequential)]
[CudaStruct("convolution.cuh", "Sequences")]
internal readonly struct KernelSequences
{
    private readonly long _batch;
    private readonly long _time;
    private readonly nint _positions;
    private readonly nint _bounds;
    private readonly long _count;

    public KernelSequences(TokenSequences sequences, Device device)
    {
        _batch = sequences.Batch;
        _time = sequences.Time;
        _count = sequences.Count;
        if (sequences.Packed?.On(device) is { } packed)
        {
            _positions = packed.ShortPositions.Address;
            _bounds = packed.Bounds.Address;
        }
    }
}
