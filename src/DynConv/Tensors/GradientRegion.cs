namespace DynConv;

/// <summary>
/// Which part of a tensor a view shows: an interval of one dimension, or something that no interval describes
/// (<see cref="Dimension"/> is then -1). Null stands for the whole tensor.
/// </summary>
internal sealed record GradientRegion(int Dimension, long Start, long Length, bool Reshaped)
{
    private static readonly GradientRegion Irregular = new(-1, 0, 0, true);
    private static readonly GradientRegion WholeReshaped = new(0, 0, -1, true);

    public bool IsWhole => Length == -1;

    public bool IsIrregular => Dimension == -1;

    public static GradientRegion? Slice(GradientRegion? region, int dimension, long start, long length, Shape shape) =>
        length == shape[dimension] ? region
        : region is null ? new GradientRegion(dimension, start, length, false)
        : region.Reshaped || region.Dimension != dimension ? Irregular
        : region with { Start = region.Start + start, Length = length };

    public static GradientRegion Reshape(GradientRegion? region) =>
        region is null ? WholeReshaped : region with { Reshaped = true };
}
