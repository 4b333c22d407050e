namespace DynConv.Models.Tokenizers.Patterns;

/// <summary>A set of Unicode code points.</summary>
internal sealed class CodePointSet
{
    /// <summary>The largest code point.</summary>
    public const int Last = 0x10FFFF;

    private const int BasicPlane = 0x10000;

    private readonly int[] _bounds;
    private readonly ulong _low;
    private readonly ulong _high;
    private ulong[]? _basicPlane;

    // Bounds in ascending order: where a range begins, where it has ended, where the next begins, ...
    private CodePointSet(int[] bounds)
    {
        _bounds = bounds;
        for (int c = 0; c < 64; c++)
        {
            _low |= Search(c) ? 1UL << c : 0;
            _high |= Search(c + 64) ? 1UL << c : 0;
        }
    }

    /// <summary>No code point.</summary>
    public static CodePointSet Empty { get; } = new([]);

    /// <summary>Every code point.</summary>
    public static CodePointSet All { get; } = new([0, Last + 1]);

    /// <summary>Whether it has no member.</summary>
    public bool IsEmpty => _bounds.Length == 0;

    /// <summary>The ranges, first and last members, in order.</summary>
    public IEnumerable<(int First, int Last)> Ranges
    {
        get
        {
            for (int i = 0; i < _bounds.Length; i += 2)
            {
                yield return (_bounds[i], _bounds[i + 1] - 1);
            }
        }
    }

    /// <summary>The set of the ranges' members, which may overlap and stand in any order.</summary>
    public static CodePointSet Of(params IEnumerable<(int First, int Last)> ranges)
    {
        List<int> bounds = [];
        foreach ((int first, int last) in ranges.OrderBy(static range => range.First))
        {
            if (bounds.Count > 0 && first <= bounds[^1])
            {
                bounds[^1] = Math.Max(bounds[^1], last + 1);
            }
            else
            {
                bounds.Add(first);
                bounds.Add(last + 1);
            }
        }

        return new CodePointSet([.. bounds]);
    }

    /// <summary>The set of one code point.</summary>
    public static CodePointSet Of(int codePoint) => new([codePoint, codePoint + 1]);

    /// <summary>The set of what fulfils a condition.</summary>
    public static CodePointSet Where(Func<int, bool> condition)
    {
        List<int> bounds = [];
        for (int c = 0; c <= Last; c++)
        {
            if (condition(c) != (bounds.Count % 2 == 1))
            {
                bounds.Add(c);
            }
        }

        if (bounds.Count % 2 == 1)
        {
            bounds.Add(Last + 1);
        }

        return new CodePointSet([.. bounds]);
    }

    /// <summary>Whether a code point is a member.</summary>
    public bool Contains(int codePoint)
    {
        if (codePoint < 128)
        {
            return ((codePoint < 64 ? _low : _high) >> (codePoint & 63) & 1) != 0;
        }

        if (codePoint < BasicPlane)
        {
            ulong[] bits = _basicPlane ?? MakeBasicPlane();
            return (bits[codePoint >> 6] >> (codePoint & 63) & 1) != 0;
        }

        return Search(codePoint);
    }

    /// <summary>Members of either.</summary>
    public CodePointSet Union(CodePointSet other) => Of(Ranges.Concat(other.Ranges));

    /// <summary>Members of both.</summary>
    public CodePointSet Intersect(CodePointSet other) => Complement().Union(other.Complement()).Complement();

    /// <summary>What is not a member.</summary>
    public CodePointSet Complement()
    {
        int[] bounds = _bounds is [0, ..] ? _bounds[1..] : [0, .. _bounds];
        return new CodePointSet(bounds is [.., Last + 1] ? bounds[..^1] : [.. bounds, Last + 1]);
    }

    // Two threads may make the same bits at once and keep either.
    private ulong[] MakeBasicPlane()
    {
        ulong[] bits = new ulong[BasicPlane / 64];
        foreach ((int first, int last) in Ranges)
        {
            for (int c = first; c <= last && c < BasicPlane; c++)
            {
                bits[c >> 6] |= 1UL << (c & 63);
            }
        }

        return _basicPlane = bits;
    }

    private bool Search(int codePoint)
    {
        int index = Array.BinarySearch(_bounds, codePoint);
        return (index >= 0 ? index % 2 == 0 : ~index % 2 == 1);
    }
}
