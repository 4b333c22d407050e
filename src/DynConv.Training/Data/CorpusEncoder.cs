using System.Security.Cryptography;
using System.Text;
using DynConv.Models.Tokenizers;

namespace DynConv.Training.Data;

/// <summary>
/// Encodes text into a folder of token shards. One thread reads and writes in order, the others encode; a bounded
/// number of batches is in flight, so that text of any size takes the same memory, and the result does not depend on
/// the number of threads.
/// </summary>
internal static class CorpusEncoder
{
    public static void Encode(string folder, TextSource source, ITokenizer tokenizer, EncodingOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Threads, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.ShardTokens, 1);
        using var writer = new TokenWriter(folder, tokenizer.VocabularySize, options.ShardTokens);
        SkippedLines? skipped = EncodeAll(writer, source, tokenizer, options);
        if (writer.Documents == 0 || writer.Tokens == 0)
        {
            throw source.NoText(skipped);
        }

        (IReadOnlyList<DataFile> shards, DataFile documentEnds) = writer.Finish();
        new DataManifest
        {
            Version = DataManifest.CurrentVersion,
            Tokenizer = Fingerprint(tokenizer),
            VocabularySize = tokenizer.VocabularySize,
            BytesPerToken = writer.BytesPerToken,
            ShardTokens = options.ShardTokens,
            Tokens = writer.Tokens,
            TextBytes = writer.TextBytes,
            Documents = writer.Documents,
            Shards = shards,
            DocumentEnds = documentEnds,
            Sources = source.Files,
            Paths = source.FullPaths,
            Text = source.Options,
            Skipped = skipped,
        }.Save(folder);
    }

    /// <summary>The SHA-256 of the file that describes a tokenizer and of what it puts around and between documents.</summary>
    public static string Fingerprint(ITokenizer tokenizer)
    {
        using var folder = new WorkFolder();
        string path = Path.Combine(folder.FullName, "tokenizer.json");
        tokenizer.Save(path);
        TokenTemplate template = tokenizer.Template;
        string around = $"{string.Join(' ', template.Before)}|{string.Join(' ', template.After)}|{tokenizer.EndOfTextId}";
        return Convert.ToHexStringLower(SHA256.HashData([.. File.ReadAllBytes(path), .. Encoding.UTF8.GetBytes(around)]));
    }

    private static SkippedLines? EncodeAll(TokenWriter writer, TextSource source, ITokenizer tokenizer, EncodingOptions options)
    {
        var idle = new Stack<TextBatch>();
        var pending = new Queue<Task<TextBatch>>();
        var reader = new TextBatchReader(source, () => idle.TryPop(out TextBatch? batch) ? batch : new TextBatch(), tokenizer);
        try
        {
            foreach (TextBatch batch in reader.Read())
            {
                options.Cancellation.ThrowIfCancellationRequested();
                if (pending.Count == options.Threads)
                {
                    WriteNext();
                }

                pending.Enqueue(Task.Run(() => Encoded(batch, tokenizer)));
            }

            while (pending.Count > 0)
            {
                WriteNext();
            }

            return reader.Bad.Count > 0 ? reader.Bad.Summary : null;
        }
        finally
        {
            // After a failure the batches in flight have no reader any more, but they must not outlive the call.
            Task.WhenAll(pending).ContinueWith(static _ => { }, TaskScheduler.Default).Wait();
        }

        void WriteNext()
        {
            TextBatch batch = pending.Dequeue().GetAwaiter().GetResult();
            writer.Write(batch);
            batch.Clear();
            idle.Push(batch);
            options.Progress?.Report(new EncodingProgress(reader.BytesRead, source.Bytes, writer.Tokens));
        }
    }

    private static TextBatch Encoded(TextBatch batch, ITokenizer tokenizer)
    {
        batch.Encode(tokenizer);
        return batch;
    }
}
