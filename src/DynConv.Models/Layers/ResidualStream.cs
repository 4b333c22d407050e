using DynConv.Modules;
using DynConv.Ops;

namespace DynConv.Models.Layers;

/// <summary>
/// What mixers have added up so far. The last of them is not in the sum yet: the next norm adds it in the pass in which it reads
/// the stream.
/// </summary>
/// <param name="Sum"><c>[B, T, D]</c>.</param>
/// <param name="Added">What is still to be added to it; null for nothing.</param>
internal readonly record struct ResidualStream(Tensor Sum, Tensor? Added = null)
{
    /// <summary>The whole sum, and its norm.</summary>
    public (Tensor Sum, Tensor Normed) Normed(Parameter scale, float epsilon) => Added is null
        ? (Sum, RmsNormalization.Apply(Sum, scale, epsilon))
        : RmsNormalization.ApplyToSum(Sum, Added, scale, epsilon);

    /// <summary>The whole sum.</summary>
    public Tensor Total() => Added is null ? Sum : Elementwise.Add(Sum, Added);

    /// <summary>The stream of the last token of each sequence.</summary>
    public ResidualStream Last()
    {
        long last = Sum.Shape[1] - 1;
        return new(Sum.Slice(1, last, 1), Added?.Slice(1, last, 1));
    }

    /// <summary>Hands the stream to the scope outside of <paramref name="scope"/>.</summary>
    public ResidualStream KeptBy(TensorScope scope) => new(scope.Keep(Sum), Added is null ? null : scope.Keep(Added));

    /// <summary>Gives back what is not in <paramref name="next"/> any more.</summary>
    public void DisposeBefore(ResidualStream next)
    {
        Added?.Dispose();
        if (!ReferenceEquals(Sum, next.Sum))
        {
            Sum.Dispose();
        }
    }
}
