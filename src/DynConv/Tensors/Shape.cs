using System.Collections;
using System.Runtime.CompilerServices;

namespace DynConv;

/// <summary>The dimensions of a tensor, outermost first. <c>[B, T, D]</c> is a shape; <c>[]</c> is a scalar's.</summary>
[CollectionBuilder(typeof(Shape), nameof(Create))]
public readonly struct Shape : IEquatable<Shape>, IEnumerable<long>
{
    private readonly long[]? _dimensions;

    private Shape(long[] dimensions) => _dimensions = dimensions;

    /// <summary>Makes a shape; what <c>Shape s = [b, t, d];</c> calls.</summary>
    /// <param name="dimensions">Each at least 0.</param>
    public static Shape Create(ReadOnlySpan<long> dimensions)
    {
        foreach (long dimension in dimensions)
        {
            if (dimension < 0)
            {
                throw new ArgumentOutOfRangeException(nameof(dimensions), dimension, "A dimension cannot be negative.");
            }
        }

        return new Shape(dimensions.ToArray());
    }

    /// <summary>Number of dimensions.</summary>
    public int Rank => Dimensions.Length;

    /// <summary>Number of elements: the product of the dimensions, 1 for a scalar.</summary>
    public long Count
    {
        get
        {
            long count = 1;
            foreach (long dimension in Dimensions)
            {
                count = checked(count * dimension);
            }

            return count;
        }
    }

    /// <summary>The dimensions.</summary>
    public ReadOnlySpan<long> Dimensions => _dimensions ?? [];

    /// <summary>One dimension; <c>shape[^1]</c> is the innermost.</summary>
    public long this[Index index] => Dimensions[index];

    /// <summary>The dimensions in <paramref name="range"/>.</summary>
    public Shape this[Range range] => Create(Dimensions[range]);

    /// <summary>The same shape with dimension <paramref name="index"/> set to <paramref name="value"/>.</summary>
    public Shape With(Index index, long value)
    {
        long[] dimensions = Dimensions.ToArray();
        dimensions[index] = value;
        return Create(dimensions);
    }

    /// <inheritdoc/>
    public bool Equals(Shape other) => Dimensions.SequenceEqual(other.Dimensions);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Shape other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = default(HashCode);
        foreach (long dimension in Dimensions)
        {
            hash.Add(dimension);
        }

        return hash.ToHashCode();
    }

    /// <summary>Equality of all dimensions.</summary>
    public static bool operator ==(Shape left, Shape right) => left.Equals(right);

    /// <summary>Inequality of any dimension.</summary>
    public static bool operator !=(Shape left, Shape right) => !left.Equals(right);

    /// <summary><c>[4, 1024, 384]</c>.</summary>
    public override string ToString() => $"[{string.Join(", ", Dimensions.ToArray())}]";

    /// <inheritdoc/>
    public IEnumerator<long> GetEnumerator() => ((IEnumerable<long>)(_dimensions ?? [])).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    internal long[] ContiguousStrides()
    {
        var strides = new long[Rank];
        long stride = 1;
        for (int i = Rank - 1; i >= 0; i--)
        {
            strides[i] = stride;
            stride *= Math.Max(1, Dimensions[i]);
        }

        return strides;
    }
}
