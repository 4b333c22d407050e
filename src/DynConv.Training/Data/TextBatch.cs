using DynConv.Models.Tokenizers;

namespace DynConv.Training.Data;

/// <summary>
/// A share of the text that one thread encodes at once: whole documents, and pieces of large ones. Reused, so that its
/// buffers are allocated once.
/// </summary>
internal sealed class TextBatch
{
    private readonly List<Piece> _pieces = [];
    private byte[] _text = new byte[TextBatchReader.PieceBytes];

    /// <summary>Bytes of text.</summary>
    public int Bytes { get; private set; }

    /// <summary>The ids of the text, once it is encoded; after each document that of the end of text.</summary>
    public List<int> Tokens { get; } = [];

    /// <summary>For each document that ends here, the number of ids up to its end.</summary>
    public List<int> DocumentEnds { get; } = [];

    public bool IsEmpty => _pieces.Count == 0;

    /// <summary>Adds a document, or a part of one.</summary>
    public void Add(ReadOnlySpan<byte> text, TextPart part)
    {
        if (Bytes + text.Length > _text.Length)
        {
            Array.Resize(ref _text, (int)Math.Max(Bytes + (long)text.Length, Math.Min(Array.MaxLength, 2L * _text.Length)));
        }

        text.CopyTo(_text.AsSpan(Bytes));
        Bytes += text.Length;
        _pieces.Add(new Piece(text.Length, part));
    }

    public void Encode(ITokenizer tokenizer)
    {
        int start = 0;
        foreach (Piece piece in _pieces)
        {
            tokenizer.EncodeWithTemplate(_text.AsSpan(start, piece.Bytes), Tokens, new EncodeOptions { Part = piece.Part });
            start += piece.Bytes;
            if (!piece.Part.HasFlag(TextPart.Unfinished))
            {
                EndDocument(tokenizer);
            }
        }

        if (tokenizer.EndOfTextId is { } separator)
        {
            EndDocumentsAt(separator);
        }
    }

    public void Clear()
    {
        _pieces.Clear();
        Tokens.Clear();
        DocumentEnds.Clear();
        Bytes = 0;
    }

    private void EndDocument(ITokenizer tokenizer)
    {
        // A template may end the text itself.
        if (tokenizer.EndOfTextId is { } id && !tokenizer.Template.After.Contains(id))
        {
            Tokens.Add(id);
        }

        DocumentEnds.Add(Tokens.Count);
    }

    // A text may name the separator itself, and then it has several documents.
    private void EndDocumentsAt(int separator)
    {
        int[] known = [.. DocumentEnds];
        DocumentEnds.Clear();
        int next = 0;
        for (int count = 0; count <= Tokens.Count; count++)
        {
            bool isNamed = count > 0 && Tokens[count - 1] == separator;
            bool isKnown = next < known.Length && known[next] == count;
            for (; next < known.Length && known[next] == count; next++)
            {
                DocumentEnds.Add(count);
            }

            if (isNamed && !isKnown)
            {
                DocumentEnds.Add(count);
            }
        }
    }

    private readonly record struct Piece(int Bytes, TextPart Part);
}
