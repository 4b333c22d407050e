namespace DynConv;

public sealed partial class Tensor
{
    /// <summary>
    /// The part of one dimension from <paramref name="start"/> on, <paramref name="length"/> long: a view, without a
    /// copy. Its gradient goes into the same part of this tensor's.
    /// </summary>
    /// <param name="dimension">Which dimension; -1 is the innermost.</param>
    /// <param name="start">First index kept.</param>
    /// <param name="length">How many are kept.</param>
    public Tensor Slice(int dimension, long start, long length)
    {
        int index = Normalize(dimension);
        if (start < 0 || length < 0 || length > Shape[index] - start)
        {
            throw new TensorException(
                "slice", $"{length} from {start} on lie outside dimension {index} of shape {Shape}.", this);
        }

        Tensor view = View(Shape.With(index, length), _strides, _offset + (start * _strides[index]));
        return Inherit(view, GradientRegion.Slice(_region, index, start, length, Shape), g => g.Slice(index, start, length));
    }

    /// <summary>
    /// A part of the tensor, without a copy: <c>x[0]</c> is the first row, <c>x[.., 1..3]</c> columns 1 and 2, <c>x[^1, 0]</c>
    /// one element. Its gradient goes into the same part of this tensor's; <c>x[1..3].CopyFrom(y)</c> overwrites it.
    /// </summary>
    /// <param name="indices">One for each of the first dimensions; the others stay whole.</param>
    /// <exception cref="TensorException">There are more of them than dimensions, or one lies outside of its dimension.</exception>
    [System.Runtime.CompilerServices.IndexerName("Part")]
    public Tensor this[params ReadOnlySpan<TensorIndex> indices]
    {
        get
        {
            if (indices.Length > Rank)
            {
                throw new TensorException("index", $"shape {Shape} has no {indices.Length} dimensions.", this);
            }

            using var scope = new TensorScope();
            Tensor view = this;
            List<long> dimensions = [];
            for (int i = 0; i < indices.Length; i++)
            {
                (long start, long length) = indices[i].Of(Shape[i]);
                if (start < 0 || length < 0 || length > Shape[i] - start)
                {
                    throw new TensorException("index", $"{indices[i]} lies outside dimension {i} of shape {Shape}.", this);
                }

                view = view.Slice(i, start, length);
                if (indices[i].IsRange)
                {
                    dimensions.Add(length);
                }
            }

            dimensions.AddRange(Shape.Dimensions[indices.Length..]);
            return scope.Keep(view.Reshape([.. dimensions]));
        }
    }

    /// <summary>
    /// The same elements in other dimensions: a view where the strides allow it, a copy where they do not. One
    /// dimension may be -1 and is then worked out.
    /// </summary>
    /// <param name="dimensions">The new dimensions.</param>
    public Tensor Reshape(params ReadOnlySpan<long> dimensions)
    {
        Shape shape = InferShape(dimensions);
        if (_slot is not { IsContiguous: false } && TryReshapeStrides(shape) is { } strides)
        {
            return Inherit(View(shape, strides, _offset), GradientRegion.Reshape(_region), g => g.Reshape(shape.Dimensions));
        }

        // Of a tensor that lies otherwise than its gradient, which is contiguous, a view would not be one of the gradient.
        Tensor copy = _slot is { IsContiguous: false } ? Clone() : Contiguous();
        Tensor view = copy.Reshape(shape.Dimensions);
        copy.Dispose();
        return view;
    }

    /// <summary>The same elements with two dimensions exchanged: a view.</summary>
    /// <param name="first">One dimension; -1 is the innermost.</param>
    /// <param name="second">The other.</param>
    public Tensor Transpose(int first, int second)
    {
        int a = Normalize(first);
        int b = Normalize(second);
        long[] dimensions = Shape.Dimensions.ToArray();
        var strides = (long[])_strides.Clone();
        (dimensions[a], dimensions[b]) = (dimensions[b], dimensions[a]);
        (strides[a], strides[b]) = (strides[b], strides[a]);
        return Inherit(
            View(Shape.Create(dimensions), strides, _offset), GradientRegion.Reshape(_region), g => g.Transpose(a, b));
    }

    /// <summary>The same elements with the dimensions in another order: a view.</summary>
    /// <param name="order">For each dimension of the result which one of this tensor it is; -1 is the innermost.</param>
    public Tensor Permute(params ReadOnlySpan<int> order)
    {
        int[] from = new int[order.Length];
        for (int i = 0; i < from.Length; i++)
        {
            from[i] = Normalize(order[i]);
        }

        if (from.Length != Rank || from.Distinct().Count() != Rank)
        {
            throw new TensorException("permute", $"[{string.Join(", ", order.ToArray())}] is no order of the {Rank} dimensions of shape {Shape}.", this);
        }

        Tensor view = View(
            Shape.Create([.. from.Select(i => Shape[i])]), [.. from.Select(i => _strides[i])], _offset);
        return Inherit(view, GradientRegion.Reshape(_region), g => g.Permute(from));
    }

    /// <summary>
    /// Repeats dimensions of length 1 (and leading ones that are not there) without a copy, by a stride of 0. The
    /// result takes no part in gradients.
    /// </summary>
    /// <param name="shape">The wanted shape.</param>
    internal Tensor Repeat(Shape shape)
    {
        int added = shape.Rank - Rank;
        var strides = new long[shape.Rank];
        if (added < 0)
        {
            throw new TensorException("expand", $"shape {Shape} cannot be repeated to {shape}.", this);
        }

        for (int i = 0; i < shape.Rank; i++)
        {
            if (i >= added && Shape[i - added] != shape[i] && Shape[i - added] != 1)
            {
                throw new TensorException("expand", $"shape {Shape} cannot be repeated to {shape}.", this);
            }

            strides[i] = i < added || Shape[i - added] != shape[i] ? 0 : _strides[i - added];
        }

        return View(shape, strides, _offset);
    }

    /// <summary>A tensor with the same elements one after the other: a view if this one is, else a copy.</summary>
    public Tensor Contiguous() => IsContiguous
        ? Inherit(View(Shape, Shape.ContiguousStrides(), _offset), _region, static g => g)
        : Clone();

    /// <summary>A contiguous copy.</summary>
    public Tensor Clone()
    {
        Tensor copy = Empty(Shape, DType, Device);
        StridedCopy.Copy(this, copy);
        return Tape.Record("clone", copy, [this], [], static g => g.Add(0, g.Gradient(0)!));
    }

    /// <summary>A view of the same elements that takes no part in gradients.</summary>
    public Tensor Detach() => View(Shape, _strides, _offset);

    private int Normalize(int dimension) => OpArguments.Dimension("view", this, dimension);

    private Shape InferShape(ReadOnlySpan<long> dimensions)
    {
        long[] wanted = dimensions.ToArray();
        int unknown = Array.IndexOf(wanted, -1);
        if (unknown >= 0)
        {
            wanted[unknown] = 1;
            long known = Shape.Create(wanted).Count;
            wanted[unknown] = known == 0 ? 0 : Count / known;
        }

        Shape shape = Shape.Create(wanted);
        return shape.Count == Count
            ? shape
            : throw new TensorException(
                "reshape", $"{Count} elements of shape {Shape} do not fit [{string.Join(", ", dimensions.ToArray())}].", this);
    }

    // Walks both shapes from the inside out. Old dimensions that are contiguous with one another form a run, and a new
    // dimension can be cut out of a run but cannot reach over its end.
    private long[]? TryReshapeStrides(Shape shape)
    {
        if (Count == 0)
        {
            return shape.ContiguousStrides();
        }

        var strides = new long[shape.Rank];
        int old = Rank - 1;
        long left = 1;
        long stride = 1;
        for (int i = shape.Rank - 1; i >= 0; i--)
        {
            if (shape[i] == 1)
            {
                strides[i] = stride * left;
                continue;
            }

            while (left == 1 && old >= 0)
            {
                stride = _strides[old];
                left = Shape[old];
                for (old--; old >= 0 && (Shape[old] == 1 || (left > 1 && _strides[old] == stride * left)); old--)
                {
                    left *= Shape[old];
                }
            }

            if (left % shape[i] != 0)
            {
                return null;
            }

            strides[i] = stride;
            stride *= shape[i];
            left /= shape[i];
        }

        return strides;
    }
}
