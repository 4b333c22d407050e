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
            int own = Tokens.Count + (piece.Part.HasFlag(TextPart.Continues) ? 0 : tokenizer.Template.Before.Count);
            tokenizer.EncodeWithTemplate(_text.AsSpan(start, piece.Bytes), Tokens, new EncodeOptions { Part = piece.Part });
            start += piece.Bytes;
            bool isLast = !piece.Part.HasFlag(TextPart.Unfinished);
            int ownEnd = Tokens.Count - (isLast ? tokenizer.Template.After.Count : 0);
            EndDocumentsNamed(own, ownEnd, tokenizer.EndOfTextId);
            if (isLast)
            {
                EndDocument(tokenizer, own, ownEnd);
            }
        }
    }

    public void Clear()
    {
        _pieces.Clear();
        Tokens.Clear();
        DocumentEnds.Clear();
        Bytes = 0;
    }

    // A text may name the separator itself, and then it has several documents. The template's own ids end none: the beginning
    // of text is the separator in some vocabularies.
    private void EndDocumentsNamed(int start, int end, int? separator)
    {
        for (int i = start; i < end; i++)
        {
            if (Tokens[i] == separator)
            {
                DocumentEnds.Add(i + 1);
            }
        }
    }

    private void EndDocument(ITokenizer tokenizer, int own, int ownEnd)
    {
        IReadOnlyList<int> after = tokenizer.Template.After;
        if (tokenizer.EndOfTextId is { } id && !after.Contains(id))
        {
            if (after.Count == 0 && ownEnd > own && Tokens[^1] == id)
            {
                // The text has ended itself.
                return;
            }

            Tokens.Add(id);
        }

        DocumentEnds.Add(Tokens.Count);
    }

    private readonly record struct Piece(int Bytes, TextPart Part);
}
