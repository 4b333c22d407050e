using System.Text;

namespace DynConv.Cli.Commands;

/// <summary>Reads the text to continue from a file or from standard input.</summary>
internal static class PromptFile
{
    private const string StandardInput = "-";
    private const int MostBytes = 64 << 20;

    // Longer marks first: that of UTF-32 begins with that of UTF-16.
    private static readonly Encoding[] Marked = [Encoding.UTF8, Encoding.UTF32, new UTF32Encoding(bigEndian: true, byteOrderMark: true), Encoding.Unicode, Encoding.BigEndianUnicode];

    /// <summary>The text as UTF-8, or as it is where nothing says what it is; without one line break at its end.</summary>
    public static byte[] Read(string path, Stream standardInput)
    {
        byte[] text = Decoded(path == StandardInput ? Bytes(standardInput, "Standard input") : File(path));
        return text is [.., (byte)'\r', (byte)'\n'] ? text[..^2]
            : text is [.., (byte)'\n'] ? text[..^1]
            : text;
    }

    private static byte[] File(string path)
    {
        try
        {
            using FileStream file = System.IO.File.OpenRead(path);
            return Bytes(file, path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new DynConvException($"The prompt in {path} cannot be read: {exception.Message}", exception);
        }
    }

    private static byte[] Bytes(Stream stream, string name)
    {
        using var text = new MemoryStream();
        var buffer = new byte[1 << 16];
        for (int count = stream.Read(buffer); count > 0; count = stream.Read(buffer))
        {
            text.Write(buffer, 0, count);
            if (text.Length > MostBytes)
            {
                throw new DynConvException($"{name} has more than {MostBytes >> 20} MiB; a prompt can be that long at most.");
            }
        }

        return text.ToArray();
    }

    private static byte[] Decoded(byte[] text) =>
        Array.Find(Marked, encoding => text.AsSpan().StartsWith(encoding.Preamble)) is { } marked
            ? Encoding.UTF8.GetBytes(marked.GetString(text.AsSpan(marked.Preamble.Length)))
            : text;
}
