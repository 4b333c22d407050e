using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using System.Text;

namespace DynConv.Models.Tokenizers;

/// <summary>Counts how often each piece occurs in some text, with several threads.</summary>
internal static class PieceCounter
{
    private const int PortionLength = 1 << 19;

    /// <summary>Counts pieces.</summary>
    /// <param name="documents">Texts; enumerated by one thread at a time.</param>
    /// <param name="options">Pattern and threads.</param>
    /// <param name="read">Told how many bytes more are handed out, by one thread at a time.</param>
    /// <param name="cancellationToken">Ends the work early.</param>
    public static Dictionary<byte[], long> Count(
        IEnumerable<ReadOnlyMemory<byte>> documents,
        TokenizerTrainerOptions options,
        Action<long> read,
        CancellationToken cancellationToken)
    {
        using IEnumerator<ReadOnlyMemory<byte>> portions = documents.SelectMany(Portions).GetEnumerator();
        var counts = new Dictionary<byte[], long>[options.Threads];
        var gate = new Lock();
        var parallel = new ParallelOptions
        {
            MaxDegreeOfParallelism = options.Threads,
            CancellationToken = cancellationToken,
        };
        try
        {
            var scanner = PieceScanner.For(options.Pattern);
            Parallel.For(0, options.Threads, parallel, thread => counts[thread] = CountSome(scanner, Next));
        }
        catch (AggregateException exception)
        {
            ExceptionDispatchInfo.Throw(exception.InnerExceptions[0]);
        }

        return counts.Aggregate(AddTo);

        bool Next(out ReadOnlyMemory<byte> portion)
        {
            cancellationToken.ThrowIfCancellationRequested();
            lock (gate)
            {
                bool any = portions.MoveNext();
                portion = any ? portions.Current : default;
                read(portion.Length);
                return any;
            }
        }
    }

    /// <summary>
    /// A document in parts of about equal length, cut where the pieces are the same as in the whole: a piece of any
    /// pattern that has a letter before white space ends there, and none looks back.
    /// </summary>
    internal static IEnumerable<ReadOnlyMemory<byte>> Portions(ReadOnlyMemory<byte> document)
    {
        while (document.Length > PortionLength)
        {
            int cut = CutAfter(document.Span, PortionLength);
            yield return document[..cut];
            document = document[cut..];
        }

        yield return document;
    }

    private static int CutAfter(ReadOnlySpan<byte> text, int index)
    {
        while (index < text.Length && !(text[index] is (byte)' ' or (byte)'\n' && EndsInLetter(text[..index])))
        {
            index++;
        }

        return index;
    }

    private static bool EndsInLetter(ReadOnlySpan<byte> text)
    {
        Rune.DecodeLastFromUtf8(text, out _, out int length);
        return CharacterClasses.At(text, text.Length - length, out _) == CharacterClass.Letter;
    }

    private delegate bool NextPortion(out ReadOnlyMemory<byte> portion);

    private static Dictionary<byte[], long> CountSome(PieceScanner scanner, NextPortion next)
    {
        var counts = new Dictionary<byte[], long>(PieceComparer.Instance);
        var byText = counts.GetAlternateLookup<ReadOnlySpan<byte>>();
        while (next(out ReadOnlyMemory<byte> portion))
        {
            ReadOnlySpan<byte> text = portion.Span;
            for (int start = 0; start < text.Length;)
            {
                int end = scanner.PieceEnd(text, start);
                CollectionsMarshal.GetValueRefOrAddDefault(byText, text[start..end], out _)++;
                start = end;
            }
        }

        return counts;
    }

    private static Dictionary<byte[], long> AddTo(Dictionary<byte[], long> sum, Dictionary<byte[], long> counts)
    {
        foreach ((byte[] piece, long count) in counts)
        {
            CollectionsMarshal.GetValueRefOrAddDefault(sum, piece, out _) += count;
        }

        return sum;
    }
}
