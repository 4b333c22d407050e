using System.Security.Cryptography;
using DynConv.Models;

namespace DynConv.Training.Runs;

/// <summary>Tells whether two runs have the same tokenizer, wherever each was told to read it.</summary>
public static class RunTokenizer
{
    /// <summary>
    /// The SHA-256 of the <c>tokenizer.json</c> that a run has written into its folder. Equal for equal tokenizers, though
    /// one run names a file and another the model that it started from.
    /// </summary>
    /// <param name="folder">A run's folder.</param>
    /// <returns>
    /// 64 hexadecimal digits; without such a file, as in a folder that holds a log alone, what <c>run.yaml</c> names; null
    /// if that says nothing either.
    /// </returns>
    /// <exception cref="DynConvException">A file cannot be read.</exception>
    public static string? Identity(string folder)
    {
        string path = Path.Combine(folder, ModelFolder.TokenizerFileName);
        try
        {
            if (File.Exists(path))
            {
                using FileStream file = File.OpenRead(path);
                return Convert.ToHexStringLower(SHA256.HashData(file));
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new DynConvException($"{path} cannot be read: {exception.Message}", exception);
        }

        string run = Path.Combine(folder, RunFile.Name);
        return File.Exists(run) ? RunFile.Read(run).Tokenizer : null;
    }
}
