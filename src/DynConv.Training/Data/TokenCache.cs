using DynConv.Models.Tokenizers;
using DynConv.Serialization;

namespace DynConv.Training.Data;

/// <summary>Encoded text on disk: made once, used again while the text and the tokenizer stay as they were.</summary>
public static class TokenCache
{
    /// <summary>
    /// Opens the encoded text in a folder, or encodes it first if the folder is missing or damaged, or if a source's
    /// name, length or time of change or the tokenizer differ. The folder is complete or absent at any moment.
    /// </summary>
    /// <param name="folder">For nothing but this; what is in it is replaced.</param>
    /// <param name="source">The text.</param>
    /// <param name="tokenizer">Encodes; its id of the end of text, if it has one, goes after every document.</param>
    /// <param name="options">Threads, progress and cancellation.</param>
    /// <returns>All of the text, its owner's to dispose.</returns>
    /// <exception cref="DynConvException">A source is unreadable, binary or malformed, all are empty, or the disk is full.</exception>
    /// <exception cref="OperationCanceledException">The encoding was cancelled; the folder stays as it was.</exception>
    public static TokenDataset OpenOrEncode(string folder, TextSource source, ITokenizer tokenizer, EncodingOptions? options = null)
    {
        if (TryOpen(folder, source, tokenizer) is { } dataset)
        {
            return dataset;
        }

        AtomicFolder.Write(folder, temporary => CorpusEncoder.Encode(temporary, source, tokenizer, options ?? new EncodingOptions()));
        return TokenDataset.Map(folder, DataManifest.Load(folder), tokenizer);
    }

    /// <summary>Opens the encoded text in a folder, wherever its sources may be; null if it is missing, damaged or another tokenizer's.</summary>
    internal static TokenDataset? TryOpen(string folder, ITokenizer tokenizer) => TryOpen(folder, null, tokenizer);

    private static TokenDataset? TryOpen(string folder, TextSource? source, ITokenizer tokenizer)
    {
        try
        {
            return File.Exists(Path.Combine(folder, DataManifest.FileName))
                && (source is null || DataManifest.Load(folder).Sources.SequenceEqual(source.Files))
                ? TokenDataset.Open(folder, tokenizer)
                : null;
        }
        catch (DynConvException)
        {
            // Damaged, or made by another tokenizer: made anew, it is good.
            return null;
        }
    }
}
