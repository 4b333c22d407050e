using System.Runtime.InteropServices;
using DynConv.Cuda;

namespace DynConv.Ops;

/// <summary>What kernels of one device read of packed sequences.</summary>
internal sealed unsafe class PackedPlaces : IDisposable
{
    /// <summary>
    /// Tokens before a token of its own sequence are counted up to this for kernels that look back no further: MOST_BEFORE of
    /// convolution.cuh.
    /// </summary>
    public const int MostBefore = 15;

    private const int Threads = 256;

    private static readonly KernelTable<int> Kernel = new("packed_places.cu", "packed_places", _ => [], 0);

    private readonly PackedSequences _packed;
    private readonly int _tokens;
    private bool _filled;

    public PackedPlaces(PackedSequences packed, Device device)
    {
        _packed = packed;
        _tokens = checked((int)packed.Tokens);

        // Tensors hold no bytes and no integers of 64 bits: these are words of 32.
        ReadOnlySpan<int> bounds = MemoryMarshal.Cast<long, int>(packed.CuSeqlens);
        Bounds = TensorScope.Release(Tensor.From(bounds, [bounds.Length], device));
        TokenBounds = TensorScope.Release(Tensor.Empty([2, _tokens], DType.Int32, device));
        Positions = TensorScope.Release(Tensor.Empty([_tokens], DType.Int32, device));
        ShortPositions = TensorScope.Release(
            Tensor.Empty([(_tokens + sizeof(int) - 1L) / sizeof(int)], DType.Int32, device));
    }

    /// <summary>cu_seqlens, N + 1 numbers of 64 bits.</summary>
    public Tensor Bounds { get; }

    /// <summary>int32 <c>[2, T]</c>: where the sequence of each token starts, and where it ends.</summary>
    public Tensor TokenBounds { get; }

    /// <summary>int32 <c>[T]</c>: for each token how many of its sequence come before it.</summary>
    public Tensor Positions { get; }

    /// <summary>The same, at most <see cref="MostBefore"/>: a byte each.</summary>
    public Tensor ShortPositions { get; }

    /// <summary>Computes what is not there yet.</summary>
    public void Fill()
    {
        if (_filled || _tokens == 0)
        {
            return;
        }

        Device device = Positions.Device;
        if (device.IsCuda)
        {
            FillCuda(device);
        }
        else
        {
            FillCpu();
        }

        _filled = !device.IsPreparing;
    }

    public void Dispose()
    {
        Bounds.Dispose();
        TokenBounds.Dispose();
        Positions.Dispose();
        ShortPositions.Dispose();
    }

    private void FillCuda(Device device) => Kernel[device, 0].Launch(
        CudaGrid.Covering(_tokens, Threads),
        Bounds,
        (long)_packed.Count,
        _tokens,
        MostBefore,
        TokenBounds,
        Positions,
        ShortPositions);

    private void FillCpu()
    {
        int* starts = TokenBounds.Int();
        int* ends = starts + _tokens;
        int* positions = Positions.Int();
        byte* shortPositions = ShortPositions.Bytes();
        for (int n = 0; n < _packed.Count; n++)
        {
            (int start, int end) = ((int)_packed.CuSeqlens[n], (int)_packed.CuSeqlens[n + 1]);
            for (int t = start; t < end; t++)
            {
                starts[t] = start;
                ends[t] = end;
                positions[t] = t - start;
                shortPositions[t] = (byte)Math.Min(t - start, MostBefore);
            }
        }
    }
}
