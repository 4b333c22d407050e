using System.Runtime.InteropServices;

namespace DynConv.Models.Tokenizers;

/// <summary>A fast hash of short byte strings; text that collides on purpose only makes it slower.</summary>
internal static class PieceHash
{
    private const ulong Multiplier = 0x9E3779B97F4A7C15;

    /// <summary>The hash; its upper bits are the best.</summary>
    public static ulong Of(ReadOnlySpan<byte> piece)
    {
        ulong hash = (ulong)piece.Length;
        while (piece.Length >= sizeof(ulong))
        {
            hash = (hash ^ MemoryMarshal.Read<ulong>(piece)) * Multiplier;
            hash ^= hash >> 32;
            piece = piece[sizeof(ulong)..];
        }

        ulong rest = 0;
        foreach (byte value in piece)
        {
            rest = (rest << 8) | value;
        }

        return (hash ^ rest) * Multiplier;
    }
}
