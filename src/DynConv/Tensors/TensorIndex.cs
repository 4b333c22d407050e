namespace DynConv;

/// <summary>
/// A place or a stretch of one dimension, as <c>x[0, 1..3, ..^1]</c> has them: an <see cref="int"/>, <see cref="long"/>,
/// <see cref="System.Index"/> or <see cref="System.Range"/> becomes one.
/// </summary>
public readonly struct TensorIndex
{
    private readonly long _start;
    private readonly long _end;
    private readonly bool _startFromEnd;
    private readonly bool _endFromEnd;

    private TensorIndex(long start, bool startFromEnd, long end, bool endFromEnd, bool isRange)
    {
        _start = start;
        _startFromEnd = startFromEnd;
        _end = end;
        _endFromEnd = endFromEnd;
        IsRange = isRange;
    }

    /// <summary>Whether the dimension stays: that of a range does, that of a single place does not.</summary>
    public bool IsRange { get; }

    /// <summary>A single place; below 0 it is counted from the end, -1 being the last.</summary>
    /// <param name="place">The place.</param>
    public static implicit operator TensorIndex(long place) =>
        place < 0 ? new(-place, true, 0, false, isRange: false) : new(place, false, 0, false, isRange: false);

    /// <summary>A single place; below 0 it is counted from the end, -1 being the last.</summary>
    /// <param name="place">The place.</param>
    public static implicit operator TensorIndex(int place) => (long)place;

    /// <summary>A single place; <c>^1</c> is the last.</summary>
    /// <param name="place">The place.</param>
    public static implicit operator TensorIndex(Index place) => new(place.Value, place.IsFromEnd, 0, false, isRange: false);

    /// <summary>A stretch; <c>..</c> is the whole dimension.</summary>
    /// <param name="range">From its start up to, and not with, its end.</param>
    public static implicit operator TensorIndex(Range range) => new(
        range.Start.Value, range.Start.IsFromEnd, range.End.Value, range.End.IsFromEnd, isRange: true);

    /// <summary>As it is written in C#.</summary>
    public override string ToString() => IsRange ? $"{Text(_start, _startFromEnd)}..{Text(_end, _endFromEnd)}" : Text(_start, _startFromEnd);

    /// <summary>Where it begins in a dimension of some length, and how long it is.</summary>
    internal (long Start, long Length) Of(long length)
    {
        long start = _startFromEnd ? length - _start : _start;
        return (start, !IsRange ? 1 : (_endFromEnd ? length - _end : _end) - start);
    }

    private static string Text(long place, bool fromEnd) => fromEnd ? $"^{place}" : $"{place}";
}
