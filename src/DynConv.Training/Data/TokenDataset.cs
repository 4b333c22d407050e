using System.Security.Cryptography;
using System.Text;
using DynConv.Models.Tokenizers;

namespace DynConv.Training.Data;

/// <summary>
/// A long row of token ids that lies in memory-mapped files: encoded text, or the part of it that is for training or
/// for validation. Any number of threads may read it.
/// </summary>
public sealed class TokenDataset : ITokenRow, IDisposable
{
    private const int CountedAtOnce = 1 << 14;

    private readonly TokenShards[] _shards;
    private readonly TokenLengths _lengths;
    private readonly TokenRange[] _ranges;
    private readonly long[] _starts;
    private readonly IReadOnlyList<string> _joined;
    private bool _disposed;

    private TokenDataset(TokenShards shards, TokenLengths lengths, TokenRange[] ranges, long? bytes = null)
        : this([.. Enumerable.Repeat(shards, ranges.Length)], lengths, ranges, [], bytes)
    {
    }

    /// <param name="shards">For each range the files that it lies in.</param>
    /// <param name="lengths">Of the ids.</param>
    /// <param name="ranges">At least one.</param>
    /// <param name="joined">Fingerprints of the datasets that this one is made of; none if it was not.</param>
    /// <param name="bytes">Null if they have to be counted.</param>
    private TokenDataset(TokenShards[] shards, TokenLengths lengths, TokenRange[] ranges, IReadOnlyList<string> joined, long? bytes)
    {
        _shards = shards;
        _lengths = lengths;
        _ranges = ranges;
        _joined = joined;
        _starts = new long[ranges.Length];
        for (int i = 0; i < ranges.Length; i++)
        {
            _starts[i] = Tokens;
            Tokens += ranges[i].Length;
        }

        Bytes = bytes ?? CountBytes(0, Tokens);
    }

    /// <summary>Number of ids.</summary>
    public long Tokens { get; }

    /// <summary>Bytes of the text that they stand for.</summary>
    public long Bytes { get; }

    /// <summary>Size of the vocabulary that the ids are from.</summary>
    public int VocabularySize => _shards[0].Manifest.VocabularySize;

    /// <summary>Lines and rows of the text that were left out when it was encoded; null if none were.</summary>
    public SkippedLines? Skipped => _shards[0].Manifest.Skipped;

    /// <summary>A hash of what the dataset holds. Equal fingerprints, equal ids in equal order: a resumed run checks it.</summary>
    public string Fingerprint
    {
        get
        {
            var text = new StringBuilder();
            if (_joined.Count > 0)
            {
                text.AppendJoin(' ', _joined);
            }
            else
            {
                text.AppendJoin(' ', _shards[0].Manifest.Shards.Select(shard => shard.Sha256)).AppendLine();
                text.AppendJoin(' ', _ranges.Select(range => $"{range.Start}-{range.End}"));
            }

            return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())));
        }
    }

    internal IReadOnlyList<TokenRange> Ranges => _ranges;

    /// <summary>Opens a folder of encoded text and checks that its files are whole.</summary>
    /// <param name="folder">What <see cref="TokenCache.OpenOrEncode"/> wrote.</param>
    /// <param name="tokenizer">The one that encoded it.</param>
    /// <exception cref="DynConvException">The folder is incomplete or damaged, or another tokenizer made it.</exception>
    public static TokenDataset Open(string folder, ITokenizer tokenizer)
    {
        DataManifest manifest = DataManifest.Load(folder);
        if (manifest.Tokenizer != CorpusEncoder.Fingerprint(tokenizer))
        {
            throw new DynConvException($"The text in {folder} was encoded with another tokenizer; encode it again.");
        }

        foreach (DataFile file in manifest.Shards.Append(manifest.DocumentEnds))
        {
            file.Verify(folder);
        }

        return Map(folder, manifest, tokenizer);
    }

    /// <summary>Copies ids out.</summary>
    /// <param name="position">Of the first one.</param>
    /// <param name="destination">As many as it takes; they have to exist.</param>
    public void CopyTo(long position, Span<int> destination)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ArgumentOutOfRangeException.ThrowIfNegative(position);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(position, Tokens - destination.Length);
        for (int range = RangeOf(position); !destination.IsEmpty; range++)
        {
            long offset = position - _starts[range];
            int count = (int)Math.Min(destination.Length, _ranges[range].Length - offset);
            _shards[range].CopyTo(_ranges[range].Start + offset, destination[..count]);
            destination = destination[count..];
            position += count;
        }
    }

    /// <summary>
    /// Where documents begin inside a stretch of ids: at its second id at the earliest. Text that was cut for a dataset
    /// counts as the beginning of a document from the cut on.
    /// </summary>
    /// <param name="position">Of the first id.</param>
    /// <param name="count">How many ids; they have to exist.</param>
    /// <returns>Positions in ascending order. The time it takes hardly depends on how many documents there are in all.</returns>
    public IReadOnlyList<long> DocumentStarts(long position, long count)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ArgumentOutOfRangeException.ThrowIfNegative(position);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(position, Tokens - count);
        var starts = new List<long>();
        long end = position + count;
        for (int range = RangeOf(position); range < _ranges.Length && _starts[range] < end; range++)
        {
            // A document without ids may have been held out by itself, as a range of none.
            if (_starts[range] > position && _ranges[range].Length > 0)
            {
                starts.Add(_starts[range]);
            }

            long shift = _starts[range] - _ranges[range].Start;
            long first = Math.Max(position - shift, _ranges[range].Start);
            long last = Math.Min(end - shift, _ranges[range].End);
            starts.AddRange(_shards[range].DocumentStarts(first, last).Select(start => start + shift));
        }

        return starts;
    }

    /// <summary>Bytes of text that a stretch of ids stands for. The id of the end of text stands for none.</summary>
    /// <param name="position">Of the first id.</param>
    /// <param name="count">How many ids.</param>
    public long CountBytes(long position, long count)
    {
        Span<int> tokens = new int[(int)Math.Min(count, CountedAtOnce)];
        long bytes = 0;
        for (long end = position + count; position < end; position += tokens.Length)
        {
            tokens = tokens[..(int)Math.Min(tokens.Length, end - position)];
            CopyTo(position, tokens);
            bytes += _lengths.Sum(tokens);
        }

        return bytes;
    }

    /// <summary>
    /// Parts the data in two that do not overlap. Whole documents, picked from all over the text, are held out where
    /// documents of a fitting size make up the share; else the end of the text is. The choice depends on the data alone.
    /// </summary>
    /// <param name="context">Tokens of one training window; either part gets at least one window and its last target.</param>
    /// <param name="share">The share to hold out, between 0 and 1. Whole documents may come to half of it at least and a quarter more at most.</param>
    /// <param name="maxTokens">The most to aim at: more text than this does not make the validation loss much surer.</param>
    /// <returns>The two parts, each its owner's to dispose. This dataset stays open.</returns>
    /// <exception cref="DynConvException">The text is too short for two windows.</exception>
    public (TokenDataset Train, TokenDataset Validation) HoldOut(int context, double share = 0.1, long maxTokens = 2_000_000)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        TokenShards shards = _ranges.Length == 1
            ? _shards[0]
            : throw new InvalidOperationException("Text is held out of a whole dataset, and this is part of one or several.");
        TokenRange[] heldOut = ValidationSplit.Choose(shards, Tokens, context, share, maxTokens);
        var validation = new TokenDataset(shards.Retain(), _lengths, heldOut);
        TokenRange[] rest = ValidationSplit.Complement(heldOut, Tokens);
        var train = new TokenDataset(shards.Retain(), _lengths, rest, Bytes - validation.Bytes);
        return (train, validation);
    }

    /// <summary>Several datasets of one tokenizer, one after the other. They stay open, and it stays open without them.</summary>
    /// <param name="parts">At least one.</param>
    internal static TokenDataset Join(IReadOnlyList<TokenDataset> parts)
    {
        TokenShards[] shards = [.. parts.SelectMany(static part => part._shards)];
        foreach (TokenShards one in shards.Distinct())
        {
            one.Retain();
        }

        return new TokenDataset(
            shards,
            parts[0]._lengths,
            [.. parts.SelectMany(static part => part._ranges)],
            [.. parts.Select(static part => part.Fingerprint)],
            parts.Sum(static part => part.Bytes));
    }

    /// <summary>Gives the files up; the last dataset that uses them closes them.</summary>
    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            foreach (TokenShards shards in _shards.Distinct())
            {
                shards.Dispose();
            }
        }
    }

    /// <summary>Opens files that have just been written or checked.</summary>
    internal static TokenDataset Map(string folder, DataManifest manifest, ITokenizer tokenizer) =>
        new(new TokenShards(folder, manifest), new TokenLengths(tokenizer), [new TokenRange(0, manifest.Tokens)], manifest.TextBytes);

    /// <summary>Bytes of text that ids stand for.</summary>
    internal long CountBytes(ReadOnlySpan<int> ids) => _lengths.Sum(ids);

    /// <summary>The first id that is not below a number; null if there is none.</summary>
    internal int? FirstFrom(int number)
    {
        Span<int> tokens = new int[(int)Math.Min(Tokens, CountedAtOnce)];
        for (long position = 0; position < Tokens; position += tokens.Length)
        {
            tokens = tokens[..(int)Math.Min(tokens.Length, Tokens - position)];
            CopyTo(position, tokens);
            foreach (int id in tokens)
            {
                if (id >= number)
                {
                    return id;
                }
            }
        }

        return null;
    }

    /// <summary>Refuses data that does not fill one window and its last target.</summary>
    internal void CheckHolds(int context, string what = "The text")
    {
        if (Tokens <= context)
        {
            throw new DynConvException(
                $"{what} is too short: it has {Tokens} tokens, and one context of {context} needs {context + 1L}. " +
                "Give more text or a smaller context.");
        }
    }

    private int RangeOf(long position)
    {
        int index = Array.BinarySearch(_starts, position);
        return index >= 0 ? index : ~index - 1;
    }
}
