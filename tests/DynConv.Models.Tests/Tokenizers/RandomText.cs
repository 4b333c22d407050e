using System.Text;

namespace DynConv.Models.Tests.Tokenizers;

/// <summary>
/// Text that is rich in the cases that pre-tokenization tells apart. All characters are in the basic plane, since
/// .NET's regular expressions see the others as two.
/// </summary>
internal static class RandomText
{
    private static readonly string[] Fragments =
    [
        " ", " ", "  ", "\n", "\r", "\r\n", "\t", "\u00A0", "\u3000", "\u2028", "\u0085", "\u001F", "\u180E", "\u200B",
        "'", "'s", "'S", "'t", "'re", "'RE", "'vE", "'ll", "'lL", "'l", "'m", "'d", "'D", "'x", "\u2019s",
        "a", "word", "Word", "é", "ß", "日本", "и", "ʼ", "e\u0301", "ǅ", "\u0301",
        "1", "22", "333", "4444", "½", "²", "Ⅷ", "٣",
        ".", "!?", "...", "€", "_", "-", "\0", "\uFFFD", "→", "\u00AD", "<|endoftext|>",
    ];

    // Beginnings of sequences, a byte that continues nothing, an overlong zero, a surrogate, what no sequence has.
    private static readonly byte[][] Broken =
    [
        [0xF0, 0x9F, 0x98], [0xF0, 0x9F], [0xE2, 0x82], [0xC3],
        [(byte)'a', 0x80], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xFF], [0xF5, 0x80],
    ];

    public static string Make(Random random, int fragments)
    {
        var text = new StringBuilder();
        for (int i = 0; i < fragments; i++)
        {
            text.Append(Fragments[random.Next(Fragments.Length)]);
        }

        return text.ToString();
    }

    public static byte[] MakeBytes(Random random, int fragments)
    {
        List<byte> bytes = [];
        for (int i = 0; i < fragments; i++)
        {
            bytes.AddRange(random.Next(3) == 0
                ? Broken[random.Next(Broken.Length)]
                : Encoding.UTF8.GetBytes(Fragments[random.Next(Fragments.Length)]));
        }

        return [.. bytes];
    }
}
