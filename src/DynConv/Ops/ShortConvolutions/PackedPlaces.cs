using System.Runtime.InteropServices;

namespace DynConv.Ops;

/// <summary>What kernels of one device read of packed sequences: their bounds and each token's position.</summary>
internal sealed class PackedPlaces : IDisposable
{
    /// <summary>MOST_BEFORE of convolution.cuh.</summary>
    private const int MostBefore = ConvolutionCall.LargestWidth - 1;

    public PackedPlaces(PackedSequences packed, Device device)
    {
        Bounds = Upload(packed.CuSeqlens, device);
        Positions = Upload<byte>(PositionsOf(packed), device);
    }

    /// <summary>cu_seqlens, N + 1 numbers of 64 bits.</summary>
    public Tensor Bounds { get; }

    /// <summary>For each token how many of its sequence come before it, at most <see cref="MostBefore"/>: a byte each.</summary>
    public Tensor Positions { get; }

    public void Dispose()
    {
        Bounds.Dispose();
        Positions.Dispose();
    }

    private static byte[] PositionsOf(PackedSequences packed)
    {
        byte[] positions = new byte[packed.Tokens];
        for (int n = 0; n < packed.Count; n++)
        {
            Span<byte> sequence = positions.AsSpan((int)packed.CuSeqlens[n]..(int)packed.CuSeqlens[n + 1]);
            sequence.Fill(MostBefore);
            for (int t = 0; t < Math.Min(sequence.Length, MostBefore); t++)
            {
                sequence[t] = (byte)t;
            }
        }

        return positions;
    }

    // Tensors hold no bytes and no integers of 64 bits: these travel as words of 32.
    private static Tensor Upload<T>(ReadOnlySpan<T> values, Device device)
        where T : unmanaged
    {
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(values);
        int[] words = new int[(bytes.Length + sizeof(int) - 1) / sizeof(int)];
        bytes.CopyTo(MemoryMarshal.AsBytes(words.AsSpan()));
        return TensorScope.Release(Tensor.From(words, [words.Length], device));
    }
}
