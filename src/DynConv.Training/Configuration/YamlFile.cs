namespace DynConv.Training;

/// <summary>Reads YAML files whose mistakes are told in one sentence that names the file.</summary>
internal static class YamlFile
{
    /// <summary>Reads and parses.</summary>
    /// <param name="path">The file.</param>
    /// <param name="what">What people call it: <c>configuration</c>, <c>grid</c>.</param>
    /// <param name="parse">Of the text; its messages begin with the place in it.</param>
    /// <exception cref="DynConvException">The file cannot be read, or its text not parsed.</exception>
    public static T Read<T>(string path, string what, Func<string, T> parse)
    {
        string text;
        try
        {
            text = File.ReadAllText(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new DynConvException($"The {what} {path} cannot be read: {exception.Message}", exception);
        }

        try
        {
            return parse(text);
        }
        catch (DynConvException exception)
        {
            throw new DynConvException($"{path}, {exception.Message}", exception);
        }
    }
}
