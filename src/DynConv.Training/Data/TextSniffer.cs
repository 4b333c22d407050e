using System.Text;

namespace DynConv.Training.Data;

/// <summary>What the content of a file shows.</summary>
/// <param name="Format">How to read it.</param>
/// <param name="LeftOut">Why it is left out where it lies in a folder; null if it is not.</param>
/// <param name="Refusal">Why it is refused where somebody has named it, as the rest of a sentence; null if it is not.</param>
internal readonly record struct SniffedText(TextFormat Format, string? LeftOut = null, string? Refusal = null);

/// <summary>Decides by its content how a file is to be read.</summary>
/// <remarks>
/// Of the first lines that are not blank, up to <see cref="JudgedLines"/>, more than half have to be JSON objects, and one
/// of them has to have the text field: then a file is JSON Lines, or JSON where objects take several lines or lie in an
/// array. A file of objects among which the text field has not been met is neither read as text nor as JSON; a single
/// object without it, as files of settings are, is text. A name that ends in <c>.jsonl</c> or <c>.ndjson</c> is evidence
/// enough for JSON Lines.
/// </remarks>
internal static class TextSniffer
{
    private const int JudgedLines = 16;
    private const int FirstLook = 1 << 16;
    private const int LongLook = 1 << 20;
    private const int BinaryLook = 8192;
    private const int PictureLook = 1024;

    private static readonly (byte[] Start, string Name)[] OtherPackings =
    [
        ([0xFD, 0x37, 0x7A, 0x58, 0x5A, 0], "xz"), ([0x42, 0x5A, 0x68], "bzip2"), ([0x04, 0x22, 0x4D, 0x18], "LZ4"),
        ([0x50, 0x4B, 3, 4], "zip"), ([0x37, 0x7A, 0xBC, 0xAF, 0x27, 0x1C], "7-Zip"),
    ];

    public static SniffedText Sniff(TextFile file, TextStream stream, TextOptions options)
    {
        if (stream.IsParquet)
        {
            return options.Format is TextFormat.Auto or TextFormat.Parquet ? new(TextFormat.Parquet) : Binary;
        }

        ReadOnlySpan<byte> start = stream.Peek(BinaryLook);
        if (start.IsEmpty)
        {
            return new(TextFormat.Text, "empty", "is empty");
        }

        foreach ((byte[] magic, string name) in OtherPackings)
        {
            // A text may begin with the letters of a mark; packed data does not go on as text.
            if (start.StartsWith(magic) && IsBinary(start))
            {
                return new(TextFormat.Text, $"packed with {name}", $"is packed with {name}, which is not read: unpack it, or pack it with gzip or Zstandard");
            }
        }

        return options.Format switch
        {
            _ when IsBinary(start) => Binary,
            TextFormat.Parquet => new(TextFormat.Parquet, "not Parquet", "is not a Parquet file"),
            TextFormat.Auto => ByContent(file, stream, options),
            TextFormat format => new(format),
        };
    }

    private static SniffedText Binary => new(TextFormat.Text, "binary", "is binary, not text");

    private static SniffedText ByContent(TextFile file, TextStream stream, TextOptions options)
    {
        ReadOnlySpan<byte> start = stream.Peek(FirstLook);
        int first = start.IndexOfAnyExcept(" \t\r\n"u8);
        if (first < 0)
        {
            return new(TextFormat.Text);
        }

        if (start[first] is not ((byte)'{' or (byte)'['))
        {
            return file.IsNamedJsonLines ? new(TextFormat.JsonLines)
                : IsPicture(start) ? new(TextFormat.Text, "picture")
                : new(TextFormat.Text);
        }

        // A first line that goes on beyond the first look is told by more of it.
        start = start[first..].Contains((byte)'\n') ? start : stream.Peek(LongLook);
        return Json(file, start.ToArray().AsSpan(first), options);
    }

    private static SniffedText Json(TextFile file, Span<byte> start, TextOptions options)
    {
        byte[] field = Encoding.UTF8.GetBytes(options.TextField);
        if (start[0] == '[')
        {
            return Array(file, start[1..], field, options);
        }

        (int lines, int objects, bool seen) = JudgeLines(start.ToArray(), field);
        if (2 * objects > lines)
        {
            return seen || file.IsNamedJsonLines ? new(TextFormat.JsonLines)
                : lines > 1 ? WithoutField(options)
                : new(TextFormat.Text);
        }

        // Where lines are promised, only an object that does not end on its line can mean something else.
        bool goesOn = !file.IsNamedJsonLines || JsonText.Find(FirstLine(start).ToArray(), field, out _) == JsonTextResult.Incomplete;
        bool isObject = JsonText.IsObject(start, field, out bool hasField, out int next) && next is '{' or '[' or -1;
        return isObject && hasField && goesOn ? new(TextFormat.Json)
            : file.IsNamedJsonLines ? new(TextFormat.JsonLines)
            : new(TextFormat.Text);
    }

    private static Span<byte> FirstLine(Span<byte> start) =>
        start.IndexOf((byte)'\n') is >= 0 and var end ? start[..end] : start;

    /// <summary>What comes after the bracket that an array begins with.</summary>
    private static SniffedText Array(TextFile file, Span<byte> start, byte[] field, TextOptions options)
    {
        int first = start.IndexOfAnyExcept(" \t\r\n"u8);
        bool hasField = false;
        int next = 0;
        bool isArray = first >= 0 && JsonText.IsObject(start[first..], field, out hasField, out next) && next is ',' or ']' or -1;
        return isArray && hasField ? new(TextFormat.Json)
            : isArray ? WithoutField(options)
            : file.IsNamedJsonLines ? new(TextFormat.JsonLines)
            : new(TextFormat.Text);
    }

    private static SniffedText WithoutField(TextOptions options) => new(
        TextFormat.Text,
        $"JSON without '{options.TextField}'",
        $"holds JSON objects, and the first ones have no '{options.TextField}' field: say with --text-field which field holds the text, or with --format text that the file is text as it is");

    private static (int Lines, int Objects, bool Seen) JudgeLines(Span<byte> start, byte[] field)
    {
        (int lines, int objects, bool seen) = (0, 0, false);
        while (!start.IsEmpty && lines < JudgedLines)
        {
            int length = start.IndexOf((byte)'\n');
            bool isWhole = length >= 0;
            Span<byte> line = isWhole ? start[..length] : start;
            start = isWhole ? start[(length + 1)..] : [];
            line = line.Trim(" \t\r"u8);

            // Half a line tells little beside whole ones.
            if (line.IsEmpty || (!isWhole && lines > 1))
            {
                continue;
            }

            lines++;
            JsonTextResult result = JsonText.Find(line, field, out _, out bool here);
            bool isObject = line[0] == '{' && (IsGood(result) || (result == JsonTextResult.Incomplete && !isWhole));
            objects += isObject ? 1 : 0;
            seen |= isObject && here;
        }

        return (lines, objects, seen);
    }

    private static bool IsGood(JsonTextResult result) => result is not (JsonTextResult.NotJson or JsonTextResult.NotObject or JsonTextResult.Incomplete);

    /// <summary>A drawing is text that nobody would learn to write from.</summary>
    private static bool IsPicture(ReadOnlySpan<byte> start)
    {
        start = start[..Math.Min(start.Length, PictureLook)];
        return start[0] == '<' && start.IndexOf("<svg"u8) >= 0 && start.IndexOf("<html"u8) < 0;
    }

    // Text has no zero bytes and hardly a control character besides white space and escape; a hundredth of random bytes
    // are zero and a tenth are control characters.
    private static bool IsBinary(ReadOnlySpan<byte> start)
    {
        int control = 0;
        foreach (byte value in start)
        {
            if (value == 0)
            {
                return true;
            }

            control += value < 0x20 && value is not ((>= 0x08 and <= 0x0D) or 0x1B) ? 1 : 0;
        }

        return control > start.Length / 20;
    }
}
