using DynConv.Models.Tokenizers;

namespace DynConv.Training.Data;

/// <summary>Reads the documents of a <see cref="TextSource"/> in order, in batches of bounded size.</summary>
/// <param name="source">The documents.</param>
/// <param name="emptyBatch">Where batches come from.</param>
/// <param name="tokenizer">Says where large documents are cut.</param>
internal sealed class TextBatchReader(TextSource source, Func<TextBatch> emptyBatch, ITokenizer tokenizer)
{
    /// <summary>The largest piece of a text file; a batch is closed when it holds as much.</summary>
    public const int PieceBytes = 1 << 20;

    private const int SniffedBytes = 8192;

    private readonly byte[] _piece = new byte[PieceBytes];

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
        foreach (TextFile file in source.Files)
        {
            long before = BytesRead;
            using var stream = new TextStream(file);
            foreach (TextPiece piece in file.IsJsonLines ? ReadJsonLines(file, stream) : ReadText(file, stream))
            {
                BytesRead = before + stream.Position;
                yield return piece;
            }

            BytesRead = before + file.Bytes;
        }
    }

    private IEnumerable<TextPiece> ReadText(TextFile file, TextStream stream)
    {
        int count = stream.Read(_piece);
        if (IsBinary(_piece.AsSpan(0, Math.Min(count, SniffedBytes))))
        {
            if (source.IsNamed(file))
            {
                throw new DynConvException($"{file.Name} is binary, not text.");
            }

            yield break;
        }

        var part = TextPart.Whole;
        while (count == PieceBytes)
        {
            int cut = tokenizer.FindCut(_piece);
            yield return new TextPiece(_piece.AsMemory(0, cut), part | TextPart.Unfinished);
            part = TextPart.Continues;
            _piece.AsSpan(cut).CopyTo(_piece);
            count = PieceBytes - cut + stream.Read(_piece.AsSpan(PieceBytes - cut));
        }

        if (count > 0)
        {
            yield return new TextPiece(_piece.AsMemory(0, count), part);
        }
    }

    private static IEnumerable<TextPiece> ReadJsonLines(TextFile file, TextStream stream)
    {
        var lines = new JsonLinesReader(file.Name, stream);
        while (lines.ReadText() is { } text)
        {
            if (text.Length > 0)
            {
                yield return new TextPiece(text, TextPart.Whole);
            }
        }
    }

    // Text has no zero bytes and hardly a control character besides white space and escape; a hundredth of random bytes
    // are zero and a tenth are control characters.
    private static bool IsBinary(ReadOnlySpan<byte> start)
    {
        int control = 0;
        foreach (byte value in start)
        {
            if (value == 0)
            {
                return true;
            }

            control += value < 0x20 && value is not ((>= 0x08 and <= 0x0D) or 0x1B) ? 1 : 0;
        }

        return control > start.Length / 20;
    }
}

/// <summary>A document, or a piece of a large one.</summary>
internal readonly record struct TextPiece(ReadOnlyMemory<byte> Text, TextPart Part);
