using System.Text.Json;

namespace DynConv.Training;

/// <summary>Reads files of JSON that this library has written and somebody may have damaged.</summary>
internal static class StrictJson
{
    /// <summary>Reads a file whole.</summary>
    /// <param name="path">The file.</param>
    /// <param name="options">How it was written.</param>
    /// <param name="isSound">Whether what it says makes sense.</param>
    /// <param name="problem">What a damaged one is, behind its name, as in <c>is not a manifest</c>.</param>
    /// <exception cref="DynConvException">The file cannot be read, or is damaged.</exception>
    public static T Read<T>(string path, JsonSerializerOptions options, Func<T, bool> isSound, string problem)
        where T : class
    {
        try
        {
            return JsonSerializer.Deserialize<T>(File.ReadAllBytes(path), options) is { } value && isSound(value)
                ? value
                : throw new JsonException();
        }
        catch (JsonException exception)
        {
            throw new DynConvException($"{path} {problem}.", exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new DynConvException($"{path} cannot be read: {exception.Message}", exception);
        }
    }
}
