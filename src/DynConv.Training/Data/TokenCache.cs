using DynConv.Models.Tokenizers;
using DynConv.Serialization;

namespace DynConv.Training.Data;

/// <summary>Encoded text on disk: made once, used again while the text and the tokenizer stay as they were.</summary>
public static class TokenCache
{
    /// <summary>
    /// Opens the encoded text in a folder, or encodes it first if the folder is missing or damaged, or if a source's
    /// name, length or time of change, the way it is read or the tokenizer differ. The folder is complete or absent at any
    /// moment. A pipe counts as unchanged.
    /// </summary>
    /// <param name="folder">For nothing but this; what is in it is replaced.</param>
    /// <param name="source">The text.</param>
    /// <param name="tokenizer">Encodes; its id of the end of text, if it has one, goes after every document.</param>
    /// <param name="options">Threads, progress and cancellation.</param>
    /// <returns>All of the text, its owner's to dispose.</returns>
    /// <exception cref="DynConvException">A source is unreadable, binary or malformed, all are empty, or the disk is full.</exception>
    /// <exception cref="OperationCanceledException">The encoding was cancelled; the folder stays as it was.</exception>
    public static TokenDataset OpenOrEncode(string folder, TextSource source, ITokenizer tokenizer, EncodingOptions? options = null) =>
        OpenOrRefresh(folder, source, tokenizer, options ?? new EncodingOptions(), before: null);

    /// <summary>
    /// Opens the encoded text of a run that goes on. Text that has changed is encoded anew, as its ids may still be the same;
    /// text that has gone, or came through a pipe, is not needed.
    /// </summary>
    /// <param name="folder">The encoded text.</param>
    /// <param name="moved">Where the text lies now, if it was said to lie elsewhere than before.</param>
    /// <param name="except">What is not read of a folder of text.</param>
    /// <param name="tokenizer">Encodes.</param>
    /// <param name="options">Threads, progress and cancellation.</param>
    /// <returns>The text, and its source where that can still be found; nothing if there is no encoded text yet.</returns>
    /// <exception cref="DynConvException">
    /// The text is another, and what is encoded stays as it was; or that is damaged, or made by another tokenizer, and its
    /// source has gone.
    /// </exception>
    internal static (TokenDataset? Data, TextSource? Source) Continue(
        string folder, IReadOnlyList<string>? moved, IReadOnlyList<string> except, ITokenizer tokenizer, EncodingOptions options)
    {
        if (!File.Exists(Path.Combine(folder, DataManifest.FileName)) || TryLoad(folder) is not { } manifest)
        {
            return default;
        }

        TextSource? source = moved is null ? null : TextSource.Find(moved, except, manifest.Text);
        try
        {
            source ??= manifest.Sources.Any(static file => file.IsPipe) ? null : TextSource.Find(manifest.Paths, except, manifest.Text);
        }
        catch (DynConvException)
        {
            // Gone, or not to be read any more.
        }

        return (source is null ? TokenDataset.Open(folder, tokenizer) : OpenOrRefresh(folder, source, tokenizer, options, before: manifest), source);
    }

    /// <summary>The same; if <paramref name="before"/> is given, only where that gives the same ids.</summary>
    private static TokenDataset OpenOrRefresh(
        string folder, TextSource source, ITokenizer tokenizer, EncodingOptions options, DataManifest? before)
    {
        if (TryOpen(folder, source, tokenizer) is { } dataset)
        {
            return dataset;
        }

        AtomicFolder.Write(folder, temporary =>
        {
            CorpusEncoder.Encode(temporary, source, tokenizer, options);
            if (before is not null && !DataManifest.Load(temporary).HasSameIds(before))
            {
                throw new DynConvException(
                    $"The text has changed since it was encoded in {folder}, so the run cannot be continued; put {source.FullPaths[0]} back as it was, or start a new run.");
            }
        });
        return TokenDataset.Map(folder, DataManifest.Load(folder), tokenizer);
    }

    private static DataManifest? TryLoad(string folder)
    {
        try
        {
            return DataManifest.Load(folder);
        }
        catch (DynConvException)
        {
            return null;
        }
    }

    private static TokenDataset? TryOpen(string folder, TextSource source, ITokenizer tokenizer)
    {
        try
        {
            return File.Exists(Path.Combine(folder, DataManifest.FileName)) && DataManifest.Load(folder).IsOf(source)
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
