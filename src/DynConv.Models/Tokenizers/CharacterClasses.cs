using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;

namespace DynConv.Models.Tokenizers;

/// <summary>Classes of the characters of UTF-8 text.</summary>
internal static class CharacterClasses
{
    // Characters beyond the basic plane are rare enough to be looked up each time.
    private static readonly CharacterClass[] BasicPlane = MakeBasicPlane();

    /// <summary>
    /// The class of the character at <paramref name="index"/> and the index after it. A longest beginning of a
    /// sequence that does not end well counts as one symbol, as if it were U+FFFD, which it becomes in a string.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CharacterClass At(ReadOnlySpan<byte> text, int index, out int end)
    {
        byte first = text[index];
        if (first < 0x80)
        {
            end = index + 1;
            return BasicPlane[first];
        }

        return AtLong(text, index, out end);
    }

    /// <summary>The index after the characters of one class that start at <paramref name="index"/>.</summary>
    public static int RunEnd(ReadOnlySpan<byte> text, int index, CharacterClass wanted)
    {
        while (index < text.Length && At(text, index, out int end) == wanted)
        {
            index = end;
        }

        return index;
    }

    private static CharacterClass AtLong(ReadOnlySpan<byte> text, int index, out int end)
    {
        Rune.DecodeFromUtf8(text[index..], out Rune rune, out int length);
        end = index + length;
        return rune.IsBmp ? BasicPlane[rune.Value] : Of(Rune.GetUnicodeCategory(rune), isWhiteSpace: false);
    }

    private static CharacterClass[] MakeBasicPlane()
    {
        var classes = new CharacterClass[char.MaxValue + 1];
        for (int i = 0; i < classes.Length; i++)
        {
            classes[i] = Of(char.GetUnicodeCategory((char)i), char.IsWhiteSpace((char)i));
        }

        return classes;
    }

    private static CharacterClass Of(UnicodeCategory category, bool isWhiteSpace) => category switch
    {
        _ when isWhiteSpace => CharacterClass.Space,
        <= UnicodeCategory.OtherLetter => CharacterClass.Letter,
        >= UnicodeCategory.DecimalDigitNumber and <= UnicodeCategory.OtherNumber => CharacterClass.Number,
        _ => CharacterClass.Symbol,
    };
}
