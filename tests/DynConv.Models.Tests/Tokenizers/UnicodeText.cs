using System.Text;

namespace DynConv.Models.Tests.Tokenizers;

/// <summary>Random text of the whole of Unicode, rich in what tokenizers tell apart.</summary>
internal static class UnicodeText
{
    private static readonly string[] Fragments =
    [
        " ", " ", " ", "  ", "   ", "\n", "\r\n", "\n\n", "\t", "\u00A0", "\u3000", "\u2028", "\u0085", "\u200B", "\u00AD", "\uFEFF",
        "'s", "'S", "'ll", "'RE", "don't", "I'LL", "\u2019s", "'\u017F", "a", "ab", "abc", "the", " the", "The", "THE", "hello", "Hello world",
        "camelCase", "HTTPServer", "snake_case", "é", "e\u0301", "É", "E\u0301\u0327", "\u0327\u0301", "Å", "A\u030A", "ß", "ẞ", "ſ", "K", "ﬁ", "Ⅷ", "①",
        "İ", "ı", "Σς", "ǆǅǄ", "\u1E9B\u0323", "ｶﾞ", "がが", "ガ", "각", "\u1100\u1161\u11A8", "\u1112\u1161", "한국어", "中文", "漢字かな", "全角。",
        "नमस्ते", "สวัสดี", "مرحبا", "שלום", "мир", "Ёж", "ελληνικά", "👩\u200D👩\u200D👧", "👍🏽", "🇩🇪", "😀", "𝐀𝟗", "𐐀𐐨", "\U00020000", "\U000E0061",
        "0", "12", "123", "1234", "1,234.5", "½", "²", "٣٤", "१", "x2", "3d", ".", "...", "!?", ",", "-", "--", "_", "\u2014", "(", ")", "[x]", "{}", "<", ">",
        "<|endoftext|>", "<x>", "<X>", " <x> ", "<mask>", "[CLS]", "▁", "▁▁", "Ġ", "Ċ", "<0x0A>", "<unk>", "\0", "\u0001", "\u007F", "\uFFFD", "\u0338", "=\u0338",
        "#", "$", "%", "&", "*", "+", "/", "\\", ":", ";", "@", "^", "`", "|", "~", "\"", "http://a.b/c?d=e", "a@b.c", "x=1;\n    y=2;\n",
    ];

    private static readonly (int First, int Last)[] Blocks =
    [
        (0x20, 0x7E), (0xA0, 0x17F), (0x180, 0x24F), (0x2B0, 0x36F), (0x370, 0x3FF), (0x400, 0x52F), (0x590, 0x6FF), (0x900, 0xDFF), (0xE00, 0xFFF),
        (0x1100, 0x11FF), (0x1E00, 0x1FFF), (0x2000, 0x206F), (0x2070, 0x218F), (0x2190, 0x2BFF), (0x3000, 0x30FF), (0x4E00, 0x9FFF), (0xA000, 0xABFF),
        (0xAC00, 0xD7A3), (0xE000, 0xF8FF), (0xF900, 0xFAFF), (0xFB00, 0xFFFF), (0x10000, 0x1FFFF), (0x1D000, 0x1D7FF), (0x1F300, 0x1FAFF),
        (0x20000, 0x3FFFF), (0xE0000, 0xE01EF), (0, 0x10FFFF),
    ];

    public static string Make(Random random, int fragments)
    {
        var text = new StringBuilder();
        for (int i = 0; i < fragments; i++)
        {
            if (random.Next(4) > 0)
            {
                text.Append(Fragments[random.Next(Fragments.Length)]);
                continue;
            }

            (int first, int last) = Blocks[random.Next(Blocks.Length)];
            for (int count = random.Next(1, 4); count > 0; count--)
            {
                int c = random.Next(first, last + 1);
                text.Append(Rune.IsValid(c) ? new Rune(c).ToString() : " ");
            }
        }

        return text.ToString();
    }
}
