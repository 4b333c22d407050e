using System.Diagnostics.CodeAnalysis;

namespace DynConv.Models.Tokenizers;

/// <summary>
/// The printable character that stands for each byte in the files of byte-level BPE, as GPT-2 chose them: Latin-1's
/// printable characters stand for themselves, the other 68 bytes, in order, are U+0100 and on (a space is 'Ġ').
/// </summary>
internal static class ByteAlphabet
{
    private const int FirstStandIn = 0x100;

    private static readonly char[] Characters = MakeCharacters();
    private static readonly short[] Bytes = MakeBytes();

    /// <summary>The character of a byte.</summary>
    public static char Character(byte value) => Characters[value];

    /// <summary>The string of some bytes.</summary>
    public static string ToText(ReadOnlySpan<byte> bytes)
    {
        char[] text = new char[bytes.Length];
        for (int i = 0; i < text.Length; i++)
        {
            text[i] = Characters[bytes[i]];
        }

        return new string(text);
    }

    /// <summary>The bytes of a string; false if a character stands for none.</summary>
    public static bool TryToBytes(string text, [NotNullWhen(true)] out byte[]? bytes)
    {
        bytes = new byte[text.Length];
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] >= Bytes.Length || Bytes[text[i]] < 0)
            {
                bytes = null;
                return false;
            }

            bytes[i] = (byte)Bytes[text[i]];
        }

        return true;
    }

    private static char[] MakeCharacters()
    {
        char[] characters = new char[256];
        int standIn = FirstStandIn;
        for (int value = 0; value < characters.Length; value++)
        {
            bool printable = value is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF);
            characters[value] = (char)(printable ? value : standIn++);
        }

        return characters;
    }

    private static short[] MakeBytes()
    {
        short[] bytes = new short[Characters.Max() + 1];
        Array.Fill(bytes, (short)-1);
        for (int value = 0; value < Characters.Length; value++)
        {
            bytes[Characters[value]] = (short)value;
        }

        return bytes;
    }
}
