using System.Runtime.InteropServices;

namespace DynConv.Ops;

/// <summary><c>Sequences</c> of convolution.cuh.</summary>
[StructLayout(LayoutKind.Sequential)]
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
