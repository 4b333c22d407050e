using DynConv.Models.Tokenizers;

namespace DynConv.Training.Data;

/// <summary>Reads the documents of one file.</summary>
internal sealed class TextFileReader(TextOptions options, BadLines bad, ITokenizer tokenizer)
{
    private readonly byte[] _piece = new byte[TextBatchReader.PieceBytes];

    /// <summary>The documents, large ones in pieces; a piece is good until the next one is asked for.</summary>
    /// <param name="file">The file.</param>
    /// <param name="progress">Told how many bytes of the file on disk have been read.</param>
    public IEnumerable<TextPiece> Read(TextFile file, Action<long> progress)
    {
        using var stream = new TextStream(file);
        SniffedText sniffed = TextSniffer.Sniff(file, stream, options);
        if (sniffed.Refusal is { } refusal)
        {
            throw new DynConvException($"{file.Name} {refusal}.");
        }

        foreach (TextPiece piece in sniffed.Format switch
        {
            TextFormat.JsonLines => ReadRecords(new JsonLinesReader(file.Name, stream, options, bad)),
            TextFormat.Json => ReadRecords(new JsonElementsReader(file.Name, stream, options, bad)),
            TextFormat.Parquet => ReadParquet(file, progress),
            _ => ReadText(stream),
        })
        {
            yield return piece;
            progress(sniffed.Format == TextFormat.Parquet ? 0 : stream.Position);
        }
    }

    private IEnumerable<TextPiece> ReadText(TextStream stream)
    {
        int count = stream.Read(_piece);
        var part = TextPart.Whole;
        while (count == _piece.Length)
        {
            int cut = tokenizer.FindCut(_piece);
            yield return new TextPiece(_piece.AsMemory(0, cut), part | TextPart.Unfinished);
            part = TextPart.Continues;
            _piece.AsSpan(cut).CopyTo(_piece);
            count = _piece.Length - cut + stream.Read(_piece.AsSpan(_piece.Length - cut));
        }

        if (count > 0)
        {
            yield return new TextPiece(_piece.AsMemory(0, count), part);
        }
    }

    private IEnumerable<TextPiece> ReadRecords(JsonRecordReader records)
    {
        while (records.ReadText() is { } text)
        {
            foreach (TextPiece piece in Pieces(text))
            {
                yield return piece;
            }
        }
    }

    private IEnumerable<TextPiece> ReadParquet(TextFile file, Action<long> progress)
    {
        if (file.IsPipe)
        {
            throw new DynConvException($"{file.Name} is a Parquet file, whose end has to be read first; give it as a file and not through a pipe.");
        }

        return new ParquetTextReader(file, options, bad).Read(share => progress((long)(share * file.Bytes))).SelectMany(text => Pieces(text));
    }

    /// <summary>A document that is in memory, cut as one that is read from a file; none if it is empty.</summary>
    private IEnumerable<TextPiece> Pieces(ReadOnlyMemory<byte> text)
    {
        var part = TextPart.Whole;
        while (text.Length >= TextBatchReader.PieceBytes)
        {
            int cut = tokenizer.FindCut(text.Span[..TextBatchReader.PieceBytes]);
            yield return new TextPiece(text[..cut], part | TextPart.Unfinished);
            part = TextPart.Continues;
            text = text[cut..];
        }

        if (text.Length > 0)
        {
            yield return new TextPiece(text, part);
        }
    }
}

/// <summary>A document, or a piece of a large one.</summary>
internal readonly record struct TextPiece(ReadOnlyMemory<byte> Text, TextPart Part);
