namespace DynConv.Ops;

/// <summary>Where the gradient of q, k or v goes; nowhere if nobody wants it.</summary>
internal sealed class HeadGradient
{
    private readonly Tensor? _target;
    private readonly bool _addAtTheEnd;

    public HeadGradient(BackwardContext g, int input, Tensor like)
    {
        if (g.Needs(input))
        {
            (_target, bool accumulate) = g.Target(input);
            Place = CpuHeads.For(_target);
            bool direct = ReferenceEquals(Place.Tensor, _target);
            Accumulate = accumulate && direct;
            _addAtTheEnd = accumulate && !direct;
        }
        else
        {
            Place = CpuHeads.For(Tensor.Empty(like.Shape, like.DType, like.Device));
        }
    }

    /// <summary>Where the kernel writes.</summary>
    public CpuHeads Place { get; }

    /// <summary>Whether the kernel adds to what is there.</summary>
    public bool Accumulate { get; }

    /// <summary>Brings what the kernel wrote to its place.</summary>
    public void Finish()
    {
        if (_target is not null)
        {
            Place.CopyTo(_target, _addAtTheEnd);
        }
    }
}
