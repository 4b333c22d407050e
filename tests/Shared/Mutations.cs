using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace DynConv.Tests;

/// <summary>
/// Makes damaged files of valid ones, as disks, other programs and ill will do: bits, bytes, lines, numbers, tokens,
/// nesting, encodings. The same seed makes the same file.
/// </summary>
public static class Mutations
{
    private const int MostAtOnce = 4;

    private static readonly string[] Numbers =
    [
        "0", "-0", "-1", "1", "1.5", "3.7", "00", "0x10", "1_000", "127", "128", "65536", "2147483647", "2147483648", "-2147483648",
        "4294967296", "9007199254740993", "9223372036854775807", "9223372036854775808", "-9223372036854775809",
        "18446744073709551616", "1e308", "1e309", "-1e309", "1e-400", "1e999999999", "NaN", "Infinity", "-Infinity", ".inf", ".nan",
        new string('9', 400), "0." + new string('0', 400) + "1", "null", "\"5\"", "true", "[5]",
    ];

    private static readonly string[] Tokens =
    [
        "", "null", "~", "true", "false", "0", "-1", "1e999", "\"\"", "''", "[]", "{}", "[null]", "{\"a\":null}", "[[]]", "[{}]",
        "\"\\ud800\"", "\"\\udc00\\ud800\"", "\"\\u0000\"", "\"\\n\"", "\"a\"", "a", "a: b", "- a", "? a", "| a", "> a", "# a",
        "&a", "*a", "*missing", "&a [*a]", "!!int 5", "!!float 3.7", "!!str 5", "!!binary aGk=", "!!set {a}", "!local x", "!<tag:x> y",
        "<<: *a", "---", "...", "%YAML 9.9", "%TAG ! x", "\"unclosed", "'unclosed", "[unclosed", "{unclosed", "]", "}", ",", ":", "//", "/* */",
        "\t", "@", "`", "2026-11-29", "1:30:00", "y", "no", "0o17", "../../etc/passwd", "/dev/zero", "\u001b[31m", "\u202e", "\ud83d\ude00",
        new string('a', 5000), "\"" + new string('b', 5000) + "\"",
    ];

    private static readonly string[] Escapes =
    [
        "\\ud800", "\\udfff", "\\udc00\\ud800", "\\u0000", "\\u001b[2J", "\\ud83d\\ude00", "\\x", "\\", "\\u12", "\\U0011ffff", "\\n", "\\\"",
    ];

    private static readonly byte[][] BadBytes =
    [
        [0], [0, 0, 0, 0], [0xff], [0xfe, 0xff], [0x80], [0xc0, 0xaf], [0xe2, 0x82], [0xf0, 0x9f], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80],
        [0x0d], [0x0d, 0x0a], [0x0a, 0x0a], [0x1b], [0x7f], [0xc2, 0x85], [0xe2, 0x80, 0xa8], [0xef, 0xbf, 0xbf], [0x1a],
    ];

    private static readonly byte[][] Marks =
    [
        [0xef, 0xbb, 0xbf], [0xff, 0xfe], [0xfe, 0xff], [0xff, 0xfe, 0, 0], [0, 0, 0xfe, 0xff], [0x1f, 0x8b], [0x28, 0xb5, 0x2f, 0xfd], "PK"u8.ToArray(), "PAR1"u8.ToArray(),
    ];

    private static readonly Func<Random, byte[], IReadOnlyList<byte[]>, byte[]>[] Kinds =
    [
        static (random, from, _) => FlipBits(random, from),
        static (random, from, _) => SetByte(random, from),
        static (random, from, _) => Insert(from, Place(random, from), Noise(random, random.Next(1, 17))),
        static (random, from, _) => Cut(random, from),
        static (random, from, _) => Repeat(random, from),
        static (random, from, _) => from[..Place(random, from)],
        static (random, from, samples) => Splice(random, from, samples[random.Next(samples.Count)]),
        static (random, from, _) => BinaryNumber(random, from),
        static (random, from, _) => Number(random, from),
        static (random, from, _) => Token(random, from, Pick(random, Tokens)),
        static (random, from, _) => Token(random, from, Nesting(random)),
        static (random, from, _) => Line(random, from),
        static (random, from, _) => InText(random, from, Pick(random, Escapes)),
        static (random, from, _) => Insert(from, Place(random, from), Pick(random, BadBytes)),
        static (random, from, _) => Insert(from, 0, Pick(random, Marks)),
    ];

    /// <summary>A damaged file: one to four mutations of one of the samples.</summary>
    /// <param name="seed">Decides all of it.</param>
    /// <param name="samples">Valid files; at least one.</param>
    public static byte[] Make(int seed, IReadOnlyList<byte[]> samples)
    {
        var random = new Random(seed);
        byte[] made = samples[random.Next(samples.Count)];
        for (int left = random.Next(1, MostAtOnce + 1); left > 0; left--)
        {
            made = Kinds[random.Next(Kinds.Length)](random, made, samples);
        }

        return made;
    }

    private static T Pick<T>(Random random, T[] from) => from[random.Next(from.Length)];

    private static int Place(Random random, byte[] from) => random.Next(from.Length + 1);

    // Short ones are the usual damage, and long ones the rarer.
    private static int Length(Random random, int most) => Math.Min(most, 1 << random.Next(0, 12));

    private static byte[] Noise(Random random, int length)
    {
        var noise = new byte[length];
        random.NextBytes(noise);
        return noise;
    }

    private static byte[] Insert(byte[] from, int at, byte[] what) => [.. from.AsSpan(0, at), .. what, .. from.AsSpan(at)];

    private static byte[] Replace(byte[] from, int at, int length, byte[] by) => [.. from.AsSpan(0, at), .. by, .. from.AsSpan(at + length)];

    private static byte[] FlipBits(Random random, byte[] from)
    {
        byte[] made = [.. from];
        for (int left = from.Length == 0 ? 0 : random.Next(1, 9); left > 0; left--)
        {
            made[random.Next(made.Length)] ^= (byte)(1 << random.Next(8));
        }

        return made;
    }

    private static byte[] SetByte(Random random, byte[] from)
    {
        byte[] made = [.. from];
        if (made.Length > 0)
        {
            made[random.Next(made.Length)] = Pick(random, "\0\u007f \t\n\r\"'\\{}[]()<>:,.-+#&*!|%@`0189aAeEnN_/"u8.ToArray());
        }

        return made;
    }

    private static byte[] Cut(Random random, byte[] from)
    {
        int at = Place(random, from);
        return Replace(from, at, Length(random, from.Length - at), []);
    }

    private static byte[] Repeat(Random random, byte[] from)
    {
        int at = Place(random, from);
        byte[] part = from.AsSpan(at, Length(random, from.Length - at)).ToArray();
        return Insert(from, random.Next(2) == 0 ? at : Place(random, from), part);
    }

    private static byte[] Splice(Random random, byte[] first, byte[] second) =>
        [.. first.AsSpan(0, Place(random, first)), .. second.AsSpan(Place(random, second))];

    private static byte[] BinaryNumber(Random random, byte[] from)
    {
        Span<byte> number = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(number, Pick(random, new long[]
        {
            0, 1, -1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, int.MaxValue, int.MinValue, uint.MaxValue, long.MaxValue, long.MinValue, 1L << 40, random.Next(),
        }));
        int size = Math.Min(from.Length, 1 << random.Next(4));
        int at = random.Next(2) == 0 ? random.Next(Math.Min(64, from.Length - size + 1)) : random.Next(from.Length - size + 1);
        return Replace(from, at, size, number[..size].ToArray());
    }

    private static byte[] Number(Random random, byte[] from) =>
        Substitute(random, from, static letter => letter is >= (byte)'0' and <= (byte)'9' or (byte)'.' or (byte)'-' or (byte)'+' or (byte)'e' or (byte)'E', Pick(random, Numbers));

    private static byte[] Token(Random random, byte[] from, string by) =>
        Substitute(random, from, static letter => letter is not ((byte)' ' or (byte)'\n' or (byte)',' or (byte)':' or (byte)'[' or (byte)']' or (byte)'{' or (byte)'}'), by);

    /// <summary>Replaces the word at some place: the letters around it that belong to it.</summary>
    private static byte[] Substitute(Random random, byte[] from, Func<byte, bool> belongs, string by)
    {
        int at = Place(random, from);
        while (at < from.Length && !belongs(from[at]))
        {
            at++;
        }

        int end = at;
        while (at > 0 && belongs(from[at - 1]))
        {
            at--;
        }

        while (end < from.Length && belongs(from[end]))
        {
            end++;
        }

        return Replace(from, at, end - at, Encoding.UTF8.GetBytes(by));
    }

    private static string Nesting(Random random)
    {
        int depth = Pick(random, new[] { 17, 65, 300, 5000, 100_000 });
        (string open, string close) = Pick(random, new[] { ("[", "]"), ("{\"a\":", "}"), ("{a: ", "}"), ("[{\"a\":", "}]"), ("- ", ""), ("(", ")"), ("!a ", ""), ("? ", "") });
        string closed = random.Next(2) == 0 ? "" : string.Concat(Enumerable.Repeat(close, depth));
        return string.Create(CultureInfo.InvariantCulture, $"{string.Concat(Enumerable.Repeat(open, depth))}1{closed}");
    }

    /// <summary>Doubles, drops, moves or indents a line.</summary>
    private static byte[] Line(Random random, byte[] from)
    {
        List<byte[]> lines = Lines(from);
        int at = random.Next(lines.Count);
        byte[] line = lines[at];
        switch (random.Next(4))
        {
            case 0:
                lines.Insert(random.Next(lines.Count + 1), line);
                break;
            case 1:
                lines.RemoveAt(at);
                break;
            case 2:
                lines.RemoveAt(at);
                lines.Insert(random.Next(lines.Count + 1), line);
                break;
            default:
                lines[at] = [.. new string(random.Next(2) == 0 ? ' ' : '\t', random.Next(1, 6)).Select(static letter => (byte)letter), .. line];
                break;
        }

        return [.. lines.SelectMany(static part => part)];
    }

    private static List<byte[]> Lines(byte[] from)
    {
        var lines = new List<byte[]>();
        int start = 0;
        for (int at = 0; at < from.Length; at++)
        {
            if (from[at] == (byte)'\n')
            {
                lines.Add(from[start..(at + 1)]);
                start = at + 1;
            }
        }

        lines.Add(from[start..]);
        return lines;
    }

    /// <summary>Puts an escape into a text in quotes, or anywhere where there is none.</summary>
    private static byte[] InText(Random random, byte[] from, string escape)
    {
        int quote = Array.IndexOf(from, (byte)'"', random.Next(Math.Max(1, from.Length)) is var start && start < from.Length ? start : 0);
        return Insert(from, quote < 0 ? Place(random, from) : quote + 1, Encoding.UTF8.GetBytes(escape));
    }
}
