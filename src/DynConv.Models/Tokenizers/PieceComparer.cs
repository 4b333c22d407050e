namespace DynConv.Models.Tokenizers;

/// <summary>Compares byte strings by their bytes, so that dictionaries find them by spans of text.</summary>
internal sealed class PieceComparer : IEqualityComparer<byte[]>, IAlternateEqualityComparer<ReadOnlySpan<byte>, byte[]>
{
    public static PieceComparer Instance { get; } = new();

    public bool Equals(byte[]? x, byte[]? y) => x.AsSpan().SequenceEqual(y);

    public bool Equals(ReadOnlySpan<byte> alternate, byte[] other) => alternate.SequenceEqual(other);

    public int GetHashCode(byte[] obj) => GetHashCode(obj.AsSpan());

    public int GetHashCode(ReadOnlySpan<byte> alternate) => (int)(PieceHash.Of(alternate) >> 32);

    public byte[] Create(ReadOnlySpan<byte> alternate) => alternate.ToArray();
}
