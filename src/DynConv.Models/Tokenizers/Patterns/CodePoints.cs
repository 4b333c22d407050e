using System.Runtime.InteropServices;
using System.Text;

namespace DynConv.Models.Tokenizers.Patterns;

/// <summary>UTF-8 text as code points.</summary>
internal static class CodePoints
{
    /// <summary>What bytes that are no UTF-8 are counted from, where they must come back as they were.</summary>
    public const int FirstRaw = CodePointSet.Last + 1;

    /// <summary>
    /// Reads text, and where each code point starts. A longest beginning of a sequence that does not end well is one
    /// U+FFFD.
    /// </summary>
    /// <param name="text">UTF-8.</param>
    /// <param name="codePoints">Where the code points go; what was there is dropped.</param>
    /// <param name="starts">Where the index of each one's first byte goes, and the length of the text.</param>
    public static void Read(ReadOnlySpan<byte> text, List<int> codePoints, List<int> starts)
    {
        CollectionsMarshal.SetCount(codePoints, text.Length);
        CollectionsMarshal.SetCount(starts, text.Length + 1);
        Span<int> points = CollectionsMarshal.AsSpan(codePoints);
        Span<int> indices = CollectionsMarshal.AsSpan(starts);
        int count = 0;
        for (int i = 0; i < text.Length; count++)
        {
            indices[count] = i;
            if (text[i] < 0x80)
            {
                points[count] = text[i++];
                continue;
            }

            Rune.DecodeFromUtf8(text[i..], out Rune rune, out int length);
            points[count] = rune.Value;
            i += length;
        }

        indices[count] = text.Length;
        CollectionsMarshal.SetCount(codePoints, count);
        CollectionsMarshal.SetCount(starts, count + 1);
    }

    /// <summary>Reads text; a byte that is no part of UTF-8 comes as <see cref="FirstRaw"/> and its value.</summary>
    public static List<int> Read(ReadOnlySpan<byte> text)
    {
        var codePoints = new List<int>(text.Length);
        while (!text.IsEmpty)
        {
            if (Rune.DecodeFromUtf8(text, out Rune rune, out int length) == System.Buffers.OperationStatus.Done)
            {
                codePoints.Add(rune.Value);
            }
            else
            {
                foreach (byte value in text[..length])
                {
                    codePoints.Add(FirstRaw + value);
                }
            }

            text = text[length..];
        }

        return codePoints;
    }

    /// <summary>Appends a code point, or a byte that was no UTF-8, to text.</summary>
    public static void Write(int codePoint, List<byte> text)
    {
        if (codePoint < 0x80)
        {
            text.Add((byte)codePoint);
            return;
        }

        if (codePoint >= FirstRaw)
        {
            text.Add((byte)(codePoint - FirstRaw));
            return;
        }

        Span<byte> bytes = stackalloc byte[4];
        text.AddRange(bytes[..new Rune(codePoint).EncodeToUtf8(bytes)]);
    }
}
