namespace DynConv.Models.Tokenizers;

/// <summary>
/// Remembers the tokens of pieces. Each piece has one slot, which the latest piece of that slot takes over, so the
/// size is bounded. Entries never change and are put in place by one reference write: any number of threads may
/// read and write at once.
/// </summary>
internal sealed class PieceCache
{
    private const int SlotBits = 16;
    private const int LongestPiece = 64;

    private readonly Entry?[] _entries = new Entry?[1 << SlotBits];

    /// <summary>Whether pieces of this length are remembered at all.</summary>
    public static bool Takes(ReadOnlySpan<byte> piece) => piece.Length <= LongestPiece;

    /// <summary>The tokens of a piece, if they are here.</summary>
    public bool TryGet(ReadOnlySpan<byte> piece, out ReadOnlySpan<int> tokens)
    {
        Entry? entry = Volatile.Read(ref _entries[Slot(piece)]);
        if (entry is not null && piece.SequenceEqual(entry.Piece))
        {
            tokens = entry.Tokens;
            return true;
        }

        tokens = default;
        return false;
    }

    /// <summary>Remembers the tokens of a piece.</summary>
    public void Put(ReadOnlySpan<byte> piece, ReadOnlySpan<int> tokens) =>
        Volatile.Write(ref _entries[Slot(piece)], new Entry(piece.ToArray(), tokens.ToArray()));

    private static int Slot(ReadOnlySpan<byte> piece) => (int)(PieceHash.Of(piece) >> (64 - SlotBits));

    private sealed record Entry(byte[] Piece, int[] Tokens);
}
