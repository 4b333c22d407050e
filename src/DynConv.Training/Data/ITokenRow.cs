namespace DynConv.Training.Data;

/// <summary>A long row of token ids, of which windows are samples.</summary>
internal interface ITokenRow
{
    /// <summary>Number of ids.</summary>
    long Tokens { get; }

    /// <summary>Copies ids out.</summary>
    /// <param name="position">Of the first one.</param>
    /// <param name="destination">As many as it takes; they have to exist.</param>
    void CopyTo(long position, Span<int> destination);

    /// <summary>Where documents begin inside a stretch of ids: at its second id at the earliest.</summary>
    /// <param name="position">Of the first id.</param>
    /// <param name="count">How many ids; they have to exist.</param>
    /// <returns>Positions in ascending order.</returns>
    IReadOnlyList<long> DocumentStarts(long position, long count);
}
