namespace DynConv.Models.Tokenizers.Pretokenization;

/// <summary>A step that cuts text into the pieces that merges stay within. Immutable.</summary>
internal abstract class Pretokenizer
{
    /// <summary>Cuts a piece and hands the parts on.</summary>
    /// <param name="text">A piece that earlier steps have left; not empty.</param>
    /// <param name="start">What the piece begins.</param>
    /// <param name="output">Takes the parts in order.</param>
    public abstract void Split(ReadOnlySpan<byte> text, PieceStart start, PieceOutput output);
}

/// <summary>What a piece begins.</summary>
internal enum PieceStart
{
    /// <summary>A piece.</summary>
    Piece,

    /// <summary>A text.</summary>
    Text,

    /// <summary>Nothing: it goes on with a piece of an earlier part of the text.</summary>
    Inside,
}

/// <summary>Takes the pieces of one step to the next, and those of the last to the model.</summary>
/// <param name="target">Does the work.</param>
/// <param name="step">The next step.</param>
internal readonly struct PieceOutput(IPieceTarget target, int step)
{
    /// <summary>Hands on a piece; an empty one is dropped.</summary>
    public void Add(ReadOnlySpan<byte> piece, PieceStart start)
    {
        if (!piece.IsEmpty)
        {
            target.Take(piece, start, step);
        }
    }
}

/// <summary>What pieces go through.</summary>
internal interface IPieceTarget
{
    /// <summary>Takes a piece to a step.</summary>
    void Take(ReadOnlySpan<byte> piece, PieceStart start, int step);
}
