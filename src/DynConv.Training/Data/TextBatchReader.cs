using DynConv.Models.Tokenizers;

namespace DynConv.Training.Data;

/// <summary>Reads the documents of a <see cref="TextSource"/> in order, in batches of bounded size.</summary>
/// <param name="source">The documents.</param>
/// <param name="emptyBatch">Where batches come from.</param>
/// <param name="tokenizer">Says where large documents are cut.</param>
internal sealed class TextBatchReader(TextSource source, Func<TextBatch> emptyBatch, ITokenizer tokenizer)
{
    /// <summary>The largest piece of a document; a batch is closed when it holds as much.</summary>
    public const int PieceBytes = 1 << 20;

    /// <summary>Lines, elements and rows that were left out.</summary>
    public BadLines Bad { get; } = new(source.Options.SkipBadLines);

    /// <summary>Bytes on disk read so far.</summary>
    public long BytesRead { get; private set; }

    /// <summary>The batches; each is filled when it is asked for.</summary>
    public IEnumerable<TextBatch> Read()
    {
        TextBatch batch = emptyBatch();
        foreach (TextPiece piece in ReadPieces())
        {
            batch.Add(piece.Text.Span, piece.Part);
            if (batch.Bytes >= PieceBytes)
            {
                yield return batch;
                batch = emptyBatch();
            }
        }

        if (!batch.IsEmpty)
        {
            yield return batch;
        }
    }

    /// <summary>The documents, large ones in pieces; a piece is good until the next one is asked for.</summary>
    public IEnumerable<TextPiece> ReadPieces()
    {
        var reader = new TextFileReader(source.Options, Bad, tokenizer);
        foreach (TextFile file in source.Files)
        {
            long before = BytesRead;
            foreach (TextPiece piece in reader.Read(file, read => BytesRead = Math.Max(BytesRead, before + read)))
            {
                yield return piece;
            }

            BytesRead = Math.Max(BytesRead, before + file.Bytes);
        }
    }
}
