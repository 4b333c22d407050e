using System.Buffers.Binary;
using System.Text;

namespace DynConv.Training.Data;

/// <summary>Tells in which encoding of Unicode a text is.</summary>
/// <remarks>
/// A byte-order mark decides. Without one, text in UTF-16 or UTF-32 is told by its zeros: most characters of most texts
/// are below U+0100, and their upper bytes all lie at the same places. Whatever else it is, it is taken as UTF-8, whose
/// malformed bytes are kept as they are.
/// </remarks>
internal static class TextEncodings
{
    /// <summary>How much of the text a guess looks at.</summary>
    public const int PeekedBytes = 4096;

    private const int LeastGuessed = 8;

    /// <summary>The encoding, null for UTF-8, and the length of the mark.</summary>
    /// <param name="start">The beginning of the text, <see cref="PeekedBytes"/> if there are as many.</param>
    public static (Encoding? Encoding, int MarkBytes) Find(ReadOnlySpan<byte> start) => start switch
    {
        [0xEF, 0xBB, 0xBF, ..] => (null, 3),
        [0xFF, 0xFE, 0, 0, ..] => (Utf32(bigEndian: false), 4),
        [0, 0, 0xFE, 0xFF, ..] => (Utf32(bigEndian: true), 4),
        [0xFF, 0xFE, ..] => (Utf16(bigEndian: false), 2),
        [0xFE, 0xFF, ..] => (Utf16(bigEndian: true), 2),
        _ => (Guess(start), 0),
    };

    private static Encoding? Guess(ReadOnlySpan<byte> start)
    {
        start = start[..(start.Length / 4 * 4)];
        if (start.Length < LeastGuessed || !start.Contains((byte)0))
        {
            return null;
        }

        Span<int> zeros = stackalloc int[4];
        for (int i = 0; i < start.Length; i++)
        {
            zeros[i % 4] += start[i] == 0 ? 1 : 0;
        }

        // Of UTF-32 the highest byte is always zero, and nearly always the next one; of UTF-16 most of the upper bytes and
        // hardly one of the lower ones.
        int all = start.Length / 4;
        return zeros[3] == all && zeros[2] > all / 2 && IsUtf32(start, bigEndian: false) ? Utf32(bigEndian: false)
            : zeros[0] == all && zeros[1] > all / 2 && IsUtf32(start, bigEndian: true) ? Utf32(bigEndian: true)
            : IsUtf16(zeros[1] + zeros[3], zeros[0] + zeros[2], all) ? Utf16(bigEndian: false)
            : IsUtf16(zeros[0] + zeros[2], zeros[1] + zeros[3], all) ? Utf16(bigEndian: true)
            : null;
    }

    private static bool IsUtf16(int upperZeros, int lowerZeros, int all) => upperZeros > all && lowerZeros < all / 8;

    private static bool IsUtf32(ReadOnlySpan<byte> text, bool bigEndian)
    {
        for (; text.Length > 0; text = text[4..])
        {
            if (!Rune.IsValid(bigEndian ? BinaryPrimitives.ReadUInt32BigEndian(text) : BinaryPrimitives.ReadUInt32LittleEndian(text)))
            {
                return false;
            }
        }

        return true;
    }

    private static UnicodeEncoding Utf16(bool bigEndian) => new(bigEndian, byteOrderMark: false);

    private static UTF32Encoding Utf32(bool bigEndian) => new(bigEndian, byteOrderMark: false);
}
