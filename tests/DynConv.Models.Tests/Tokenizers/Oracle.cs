using System.Runtime.InteropServices;

namespace DynConv.Models.Tests.Tokenizers;

/// <summary>Hugging Face's own library, which tests compare with. A test that asks for it where it cannot run is skipped.</summary>
internal sealed class Oracle : IDisposable
{
    // The library keeps what it last said of a failure for all threads.
    private static readonly Lock Gate = new();
    private static readonly Lazy<string?> Missing = new(FindMissing);

    private readonly global::Tokenizers.DotNet.Tokenizer _tokenizer;

    private Oracle(string path) => _tokenizer = new(path);

    public static Oracle Load(string path)
    {
        Assert.SkipWhen(Missing.Value is not null, $"Hugging Face's library does not run here: {Missing.Value}.");
        lock (Gate)
        {
            return new Oracle(path);
        }
    }

    /// <summary>The ids of a text, those of the template included.</summary>
    public int[] Encode(string text) => Array.ConvertAll(_tokenizer.Encode(text), static id => (int)id);

    /// <summary>The text of ids, without special tokens.</summary>
    public string Decode(int[] ids) => _tokenizer.Decode(Array.ConvertAll(ids, static id => (uint)id));

    public void Dispose() => _tokenizer.Dispose();

    private static string? FindMissing()
    {
        if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != Architecture.X64)
        {
            return $"no native part for {RuntimeInformation.RuntimeIdentifier}";
        }

        try
        {
            new Oracle(CaseFiles.Path("nanochat.json")).Dispose();
            return null;
        }
        catch (Exception exception) when (exception is DllNotFoundException or BadImageFormatException or TypeInitializationException)
        {
            return exception.Message;
        }
    }
}
