namespace DynConv.Models.Tokenizers.Patterns;

/// <summary>A part of a regular expression.</summary>
internal abstract record PatternNode
{
    private const int Endless = int.MaxValue;

    // Each is asked for by every part around: found anew each time, it would take twice as long for each level of nesting.
    private readonly Lazy<(int Least, int Most)> _length;
    private readonly Lazy<CodePointSet?> _first;

    private PatternNode()
    {
        _length = new(FindLength);
        _first = new(FindFirst);
    }

    /// <summary>The least and the most characters that it can match.</summary>
    public (int Least, int Most) Length => _length.Value;

    /// <summary>What its first character can be; null if it can match without one.</summary>
    public CodePointSet? First => _first.Value;

    private protected abstract (int Least, int Most) FindLength();

    private protected abstract CodePointSet? FindFirst();

    /// <summary>One character of a set.</summary>
    public sealed record Character(CodePointSet Set) : PatternNode
    {
        /// <summary>The character, where it is a literal whose case is ignored.</summary>
        public int? Caseless { get; init; }

        private protected override (int Least, int Most) FindLength() => (1, 1);

        private protected override CodePointSet? FindFirst() => Set;
    }

    /// <summary>One after the other; without parts it matches nothing, anywhere.</summary>
    public sealed record Sequence(IReadOnlyList<PatternNode> Parts) : PatternNode
    {
        private protected override (int Least, int Most) FindLength() => Parts.Aggregate(
            (0, 0),
            static (sum, part) => (Add(sum.Item1, part.Length.Least), Add(sum.Item2, part.Length.Most)));

        private protected override CodePointSet? FindFirst()
        {
            CodePointSet first = CodePointSet.Empty;
            foreach (PatternNode part in Parts)
            {
                if (part is Assertion or Look)
                {
                    continue;
                }

                if (part.First is { } set)
                {
                    return first.Union(set);
                }

                if (part is Repeat { Node.First: { } start })
                {
                    first = first.Union(start);
                    continue;
                }

                return null;
            }

            return null;
        }
    }

    /// <summary>The first of these that leads to a match.</summary>
    public sealed record Alternatives(IReadOnlyList<PatternNode> Parts) : PatternNode
    {
        private protected override (int Least, int Most) FindLength() =>
            (Parts.Min(static part => part.Length.Least), Parts.Max(static part => part.Length.Most));

        private protected override CodePointSet? FindFirst() => Parts.Aggregate(
            (CodePointSet?)CodePointSet.Empty,
            static (first, part) => first is null || part.First is not { } set ? null : first.Union(set));
    }

    /// <summary>Again and again.</summary>
    public sealed record Repeat(PatternNode Node, int Least, int? Most, RepeatKind Kind) : PatternNode
    {
        private protected override (int Least, int Most) FindLength() => (
            Multiply(Node.Length.Least, Least),
            Most is int most ? Multiply(Node.Length.Most, most) : Node.Length.Most == 0 ? 0 : Endless);

        private protected override CodePointSet? FindFirst() => Least == 0 ? null : Node.First;
    }

    /// <summary>What has matched is not tried in another way.</summary>
    public sealed record Atomic(PatternNode Node) : PatternNode
    {
        private protected override (int Least, int Most) FindLength() => Node.Length;

        private protected override CodePointSet? FindFirst() => Node.First;
    }

    /// <summary>What comes next, or came before, matches or does not; no character is used up.</summary>
    public sealed record Look(PatternNode Node, bool Behind, bool Negative) : PatternNode
    {
        private protected override (int Least, int Most) FindLength() => (0, 0);

        private protected override CodePointSet? FindFirst() => null;
    }

    /// <summary>A condition on the place.</summary>
    public sealed record Assertion(PlaceKind Kind) : PatternNode
    {
        private protected override (int Least, int Most) FindLength() => (0, 0);

        private protected override CodePointSet? FindFirst() => null;
    }

    private static int Add(int left, int right) => (int)Math.Min(Endless, (long)left + right);

    private static int Multiply(int left, int right) => (int)Math.Min(Endless, (long)left * right);
}

/// <summary>How a repetition is tried.</summary>
internal enum RepeatKind
{
    /// <summary>The most first.</summary>
    Greedy,

    /// <summary>The least first.</summary>
    Lazy,

    /// <summary>The most only.</summary>
    Possessive,
}

/// <summary>Conditions on a place in the text.</summary>
internal enum PlaceKind
{
    /// <summary><c>\A</c></summary>
    TextStart,

    /// <summary><c>\z</c></summary>
    TextEnd,

    /// <summary><c>\Z</c></summary>
    LastLineEnd,

    /// <summary><c>^</c></summary>
    LineStart,

    /// <summary><c>$</c></summary>
    LineEnd,

    /// <summary><c>\b</c></summary>
    WordBoundary,

    /// <summary><c>\B</c></summary>
    NoWordBoundary,

    /// <summary><c>\G</c></summary>
    SearchStart,
}
