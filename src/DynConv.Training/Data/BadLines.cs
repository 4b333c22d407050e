namespace DynConv.Training.Data;

/// <summary>Counts lines, elements and rows that hold no usable text, where they are to be left out; else they are errors.</summary>
internal sealed class BadLines(bool skip)
{
    private string? _first;

    /// <summary>How many were left out.</summary>
    public long Count { get; private set; }

    /// <summary>What is to be said of them; only if there are any.</summary>
    public SkippedLines Summary => new(Count, _first!);

    /// <exception cref="DynConvException">Nothing is to be left out.</exception>
    public void Add(string file, string place, string problem)
    {
        string sentence = $"{file} {place} {problem}";
        if (!skip)
        {
            throw new DynConvException($"{sentence}.");
        }

        Count++;
        _first ??= sentence;
    }
}
