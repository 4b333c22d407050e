namespace DynConv;

/// <summary>
/// The gradient of one tensor while it is being summed. Views of the tensor write straight into their part of it; what
/// no view has written counts as zero and is filled in when somebody asks for the whole.
/// </summary>
internal sealed class GradientSlot(Tensor tensor, bool isLeaf)
{
    private readonly Shape _shape = tensor.Shape;
    private readonly DType _dtype = tensor.DType;
    private readonly Device _device = tensor.Device;
    private readonly List<(long Start, long End)> _written = [];
    private readonly List<(Tensor View, Tensor Gradient)> _handedOut = [];
    private int _dimension = -1;
    private bool _complete;
    private bool _writable;
    private Tensor? _gradient;
    private int _holders;

    public bool IsLeaf { get; } = isLeaf;

    /// <summary>Whether the tensor lies as its gradient does.</summary>
    public bool IsContiguous { get; } = tensor.IsContiguous;

    /// <summary>Whether the tape that computed the tensor is over: what is made of it later has no gradient through it.</summary>
    public bool IsClosed { get; private set; }

    /// <summary>Whether a leaf and all its views are disposed, or a result's tape is over, so that nobody can ask for the gradient.</summary>
    public bool IsAbandoned => IsClosed || (IsLeaf && Volatile.Read(ref _holders) == 0);

    public bool IsReached => _gradient is not null;

    /// <summary>Where the gradient of <paramref name="view"/> goes, and whether to add to what is there.</summary>
    public GradientTarget Target(Tensor view)
    {
        GradientRegion? region = view.Region is { IsWhole: true } ? null : view.Region;
        bool fresh = _gradient is null;
        MakeWritable();
        bool accumulate = true;
        if (region is null)
        {
            accumulate = !fresh;
            if (accumulate)
            {
                FillGaps();
            }

            _complete = true;
        }
        else if (!_complete)
        {
            accumulate = Claim(region, fresh);
        }

        return new GradientTarget(view.Through(_gradient!), accumulate);
    }

    /// <summary>Whether <see cref="Add"/> would share the contribution's buffer.</summary>
    public bool Adopts(Tensor view, Tensor contribution) =>
        _gradient is null && view.Region is null && contribution.Shape == _shape && contribution.DType == _dtype;

    /// <summary>Adds <paramref name="contribution"/>, sharing its buffer where it is the first one.</summary>
    public void Add(Tensor view, Tensor contribution)
    {
        if (Adopts(view, contribution))
        {
            _gradient = contribution.Alias();
            _complete = true;
            return;
        }

        GradientTarget target = Target(view);
        if (target.Accumulate)
        {
            StridedCopy.Add(contribution, target.Tensor);
        }
        else
        {
            StridedCopy.Copy(contribution, target.Tensor);
        }
    }

    /// <summary>The whole gradient, still the slot's own; null if nothing has reached it.</summary>
    public Tensor? Whole()
    {
        if (_gradient is not null)
        {
            FillGaps();
        }

        return _gradient;
    }

    /// <summary>The part of the gradient that belongs to a view, in the same tensor as long as the gradient is there.</summary>
    public Tensor? GradientOf(Tensor view)
    {
        if (_gradient is null)
        {
            return null;
        }

        // What is handed out may be written to, and is to be nobody else's.
        MakeWritable();
        FillGaps();

        int known = _handedOut.FindIndex(one => ReferenceEquals(one.View, view));
        if (known >= 0)
        {
            if (!_handedOut[known].Gradient.IsDisposed)
            {
                return _handedOut[known].Gradient;
            }

            _handedOut.RemoveAt(known);
        }

        using var scope = new TensorScope();
        Tensor part = TensorScope.Release(view.Through(_gradient));
        _handedOut.Add((view, part));
        return part;
    }

    /// <summary>The tape is over.</summary>
    public void Close()
    {
        Release();
        IsClosed = true;
    }

    /// <summary>A tensor whose gradient this is, or a view of it.</summary>
    public void Hold() => Interlocked.Increment(ref _holders);

    /// <summary>One of them is disposed; with the last one goes the gradient of a leaf.</summary>
    public void LetGo(Tensor view)
    {
        TakeBack(view);
        if (Interlocked.Decrement(ref _holders) == 0 && IsLeaf)
        {
            Release();
        }
    }

    public void Release()
    {
        TakeBack(null);
        _gradient?.Dispose();
        _gradient = null;
        _written.Clear();
        _dimension = -1;
        _complete = false;
        _writable = false;
    }

    // A shared buffer is another tensor's gradient too, and an expanded one has no room for sums of its own. A buffer
    // once found to be the slot's own stays so: a rule holds several targets in it at a time.
    private void MakeWritable()
    {
        if (_writable)
        {
            return;
        }

        _writable = true;
        if (_gradient is null)
        {
            _gradient = TensorScope.Release(Tensor.Empty(_shape, _dtype, _device));
        }
        else if (_gradient.Storage.References > 1 + _handedOut.Count(static one => !one.Gradient.IsDisposed) || !_gradient.IsContiguous)
        {
            TakeBack(null);
            Tensor copy = TensorScope.Release(Tensor.Empty(_shape, _dtype, _device));
            StridedCopy.Copy(_gradient, copy);
            _gradient.Dispose();
            _gradient = copy;
        }
    }

    /// <summary>Disposes what a view was handed, or all that was handed out.</summary>
    private void TakeBack(Tensor? view)
    {
        for (int i = _handedOut.Count - 1; i >= 0; i--)
        {
            if (view is null || ReferenceEquals(_handedOut[i].View, view))
            {
                _handedOut[i].Gradient.Dispose();
                _handedOut.RemoveAt(i);
            }
        }
    }

    /// <summary>Notes that a region is about to be written; false if the writer finds no value there yet.</summary>
    private bool Claim(GradientRegion region, bool fresh)
    {
        if (region.IsIrregular || (!fresh && region.Dimension != _dimension))
        {
            FillGaps();
            _complete = true;
            return true;
        }

        _dimension = region.Dimension;
        (long Start, long End) interval = (region.Start, region.Start + region.Length);
        if (_written.Contains(interval))
        {
            return true;
        }

        if (_written.Any(other => other.Start < interval.End && interval.Start < other.End))
        {
            FillGaps();
            _complete = true;
            return true;
        }

        _written.Add(interval);
        return false;
    }

    private void FillGaps()
    {
        if (_complete)
        {
            return;
        }

        using var scope = new TensorScope();
        if (_dimension < 0)
        {
            _gradient!.Clear();
        }
        else
        {
            long position = 0;
            foreach ((long start, long end) in _written.Order().Append((_shape[_dimension], _shape[_dimension])))
            {
                if (start > position)
                {
                    _gradient!.Slice(_dimension, position, start - position).Clear();
                }

                position = end;
            }
        }

        _complete = true;
    }
}

/// <summary>Where a backward rule writes the gradient of an input.</summary>
/// <param name="Tensor">Has the input's shape; its strides may be those of a slice.</param>
/// <param name="Accumulate">Whether to add to the values there; if not, they are undefined.</param>
public readonly record struct GradientTarget(Tensor Tensor, bool Accumulate);
