namespace DynConv.Training.Data;

/// <summary>Chooses what is held out for validation.</summary>
internal static class ValidationSplit
{
    // The order in which documents are tried. Fixed, so that runs with different seeds are measured on the same text.
    private const ulong Key = 0x76616C6964617465;

    /// <summary>The held-out ranges, in ascending order.</summary>
    public static TokenRange[] Choose(TokenShards shards, long tokens, int context, double share, long maxTokens)
    {
        if (share is not (> 0 and < 1))
        {
            throw new DynConvException($"The share held out for validation is {share}; it has to lie between 0 and 1.");
        }

        long least = context + 1L;
        if (tokens < 2 * least)
        {
            throw new DynConvException(
                $"The text is too short: it has {tokens} tokens, and a context of {context} needs {least} to train on " +
                "and as many held out for validation. Give more text, separate validation text or a smaller context.");
        }

        long wanted = Math.Max(least, Math.Min((long)(tokens * share), maxTokens));
        long most = Math.Min(wanted + (wanted / 4), tokens - least);
        wanted = Math.Min(wanted, most);
        return ChooseDocuments(shards, wanted, most) is { } documents &&
            documents.Sum(range => range.Length) >= Math.Max(least, wanted / 2)
            ? documents
            : [new TokenRange(tokens - wanted, tokens)];
    }

    /// <summary>All positions below <paramref name="tokens"/> that lie in none of the ranges.</summary>
    public static TokenRange[] Complement(TokenRange[] ranges, long tokens)
    {
        var rest = new List<TokenRange>();
        long start = 0;
        foreach (TokenRange range in ranges.Append(new TokenRange(tokens, tokens)))
        {
            if (range.Start > start)
            {
                rest.Add(new TokenRange(start, range.Start));
            }

            start = range.End;
        }

        return [.. rest];
    }

    private static TokenRange[]? ChooseDocuments(TokenShards shards, long wanted, long most)
    {
        if (shards.Documents < 2)
        {
            return null;
        }

        var order = new RandomPermutation(shards.Documents, Key);
        var chosen = new List<TokenRange>();
        long taken = 0;
        for (long i = 0; i < order.Count && taken < wanted; i++)
        {
            TokenRange document = shards.Document(order[i]);
            if (document.Length > 0 && taken + document.Length <= most)
            {
                chosen.Add(document);
                taken += document.Length;
            }
        }

        chosen.Sort((a, b) => a.Start.CompareTo(b.Start));
        return Merge(chosen);
    }

    private static TokenRange[] Merge(List<TokenRange> ranges)
    {
        var merged = new List<TokenRange>();
        foreach (TokenRange range in ranges)
        {
            if (merged.Count > 0 && merged[^1].End == range.Start)
            {
                merged[^1] = merged[^1] with { End = range.End };
            }
            else
            {
                merged.Add(range);
            }
        }

        return [.. merged];
    }
}
