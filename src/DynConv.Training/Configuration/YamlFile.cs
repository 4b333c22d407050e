using System.Text;

namespace DynConv.Training;

/// <summary>Reads YAML files whose mistakes are told in one sentence that names the file.</summary>
internal static class YamlFile
{
    private const int MostBytes = 4 << 20;

    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Reads and parses.</summary>
    /// <param name="path">The file.</param>
    /// <param name="what">What people call it: <c>configuration</c>, <c>grid</c>.</param>
    /// <param name="parse">Of the text; its messages begin with the place in it.</param>
    /// <exception cref="DynConvException">The file cannot be read, or its text not parsed.</exception>
    public static T Read<T>(string path, string what, Func<string, T> parse)
    {
        string text = Text(path, what);
        try
        {
            return parse(text);
        }
        catch (DynConvException exception)
        {
            throw new DynConvException($"{path}, {exception.Message}", exception);
        }
    }

    private static string Text(string path, string what)
    {
        try
        {
            using FileStream file = File.OpenRead(path);
            long length = file.CanSeek && file.Length > 0 ? Math.Min(file.Length, MostBytes) : MostBytes; // a pipe has none
            var start = new byte[length + 1];
            int count = file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false);
            if (count > MostBytes)
            {
                throw new DynConvException($"The {what} {path} is larger than {MostBytes >> 20} MiB, and no file of settings is.");
            }

            using var reader = new StreamReader(new MemoryStream(start, 0, count), Strict, detectEncodingFromByteOrderMarks: true);
            return reader.ReadToEnd();
        }
        catch (DecoderFallbackException exception)
        {
            throw new DynConvException($"The {what} {path} is not text in UTF-8.", exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new DynConvException($"The {what} {path} cannot be read: {exception.Message}", exception);
        }
    }
}
