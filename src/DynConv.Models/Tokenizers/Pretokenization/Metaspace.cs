namespace DynConv.Models.Tokenizers.Pretokenization;

/// <summary><c>Metaspace</c>: spaces become a visible character, and pieces begin with it.</summary>
/// <param name="replacement">UTF-8 of the character.</param>
/// <param name="prepend">Where it is put before a piece that does not start with it.</param>
/// <param name="splits">Whether pieces are cut before it.</param>
internal sealed class Metaspace(byte[] replacement, PrependScheme prepend, bool splits) : Pretokenizer
{
    public override void Split(ReadOnlySpan<byte> text, PieceStart start, PieceOutput output)
    {
        List<byte> replaced = new(text.Length * 2);
        foreach (byte value in text)
        {
            if (value == ' ')
            {
                replaced.AddRange(replacement);
            }
            else
            {
                replaced.Add(value);
            }
        }

        bool wanted = prepend switch
        {
            PrependScheme.Always => start != PieceStart.Inside,
            PrependScheme.First => start == PieceStart.Text,
            _ => false,
        };
        ReadOnlySpan<byte> piece = wanted && !StartsWithReplacement(replaced) ? [.. replacement, .. replaced] : replaced.ToArray();
        if (!splits)
        {
            output.Add(piece, start);
            return;
        }

        // A run of the character is cut before each; only what is between two characters goes with the one before.
        int from = 0;
        for (int index = piece[1..].IndexOf(replacement) + 1; index > from;)
        {
            output.Add(piece[from..index], from == 0 ? start : PieceStart.Piece);
            from = index;
            int next = piece[(from + 1)..].IndexOf(replacement);
            index = next < 0 ? from : from + 1 + next;
        }

        output.Add(piece[from..], from == 0 ? start : PieceStart.Piece);
    }

    private bool StartsWithReplacement(List<byte> text) =>
        text.Count >= replacement.Length && text.Take(replacement.Length).SequenceEqual(replacement);
}

/// <summary>Where <see cref="Metaspace"/> puts its character.</summary>
internal enum PrependScheme
{
    /// <summary>Before every piece.</summary>
    Always,

    /// <summary>At the start of a text.</summary>
    First,

    /// <summary>Nowhere.</summary>
    Never,
}
