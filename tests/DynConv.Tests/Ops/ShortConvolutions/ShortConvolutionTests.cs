namespace DynConv.Tests.Ops.ShortConvolutions;

/// <summary>Shapes, options and their combinations that every kind goes through.</summary>
internal static class ConvolutionCaseTable
{
    public static IEnumerable<OpCase> Of(FilterKind kind) => Cases(kind).Select(one => one.ToOpCase());

    private static IEnumerable<ConvolutionCase> Cases(FilterKind kind)
    {
        // Every width with every option.
        foreach (int width in new[] { 1, 2, 3, 4, 5, 8, 16 })
        {
            foreach (bool constant in kind == FilterKind.Static ? [true] : new[] { false, true })
            {
                foreach (bool residual in new[] { false, true })
                {
                    yield return Sized(new(kind, 2, 11, 36, width) { HasStatic = constant, Residual = residual });
                }
            }

            yield return Sized(new(kind, 2, 9, 20, width) { HasState = width > 1, ReturnsState = true, Residual = true, HasStatic = true });
        }

        // Lengths below the width, one channel, primes, more than a tile or a block of channels, nothing at all.
        foreach ((long b, long t, long d) in new (long, long, long)[]
        {
            (1, 1, 1), (3, 1, 7), (1, 2, 16), (2, 3, 33), (5, 13, 17), (1, 97, 67), (1, 5, 600), (2, 150, 130),
            (0, 4, 8), (2, 0, 8),
        })
        {
            yield return Sized(new(kind, b, t, d, 4) { HasStatic = true, Residual = true });
            yield return Sized(new(kind, b, t, d, 4) { HasStatic = kind == FilterKind.Static, HasState = true, ReturnsState = true });
        }

        // Sequences shorter than the filter, empty ones first, last and between, with states and without.
        foreach (long[] lengths in new long[][] { [0, 5, 6, 8, 30], [0, 0, 1, 1, 1, 40, 40], [0, 70], [0, 33, 64, 150] })
        {
            foreach (bool state in new[] { false, true })
            {
                yield return Sized(new(kind, 1, lengths[^1], 24, 4)
                {
                    HasStatic = true,
                    Residual = true,
                    HasState = state,
                    ReturnsState = true,
                    CuSeqlens = lengths,
                });
            }
        }
    }

    private static ConvolutionCase Sized(ConvolutionCase one) => one with
    {
        Heads = one.Channels % 4 == 0 ? 4 : one.Channels % 5 == 0 ? 10 : one.Channels,
        Rank = one.Width + (one.Channels % 3 == 0 ? 0 : 3),
    };
}

public sealed class StaticConvolutionTests : OpTests<StaticConvolutionTests>, IOpCases
{
    public static IEnumerable<OpCase> Cases => ConvolutionCaseTable.Of(FilterKind.Static);
}

public sealed class HeadWiseConvolutionTests : OpTests<HeadWiseConvolutionTests>, IOpCases
{
    public static IEnumerable<OpCase> Cases =>
        from one in ConvolutionCaseTable.Of(FilterKind.HeadWise).Concat(
            from heads in new long[] { 1, 2, 3, 12, 24, 48, 600 }
            select new ConvolutionCase(FilterKind.HeadWise, 2, 19, heads == 600 ? 600 : 1200 / 600 * 288, 3) { Heads = heads, HasStatic = true }.ToOpCase())
        select one;
}

public sealed class LowRankConvolutionTests : OpTests<LowRankConvolutionTests>, IOpCases
{
    public static IEnumerable<OpCase> Cases =>
        ConvolutionCaseTable.Of(FilterKind.LowRank).Concat(
            from rank in new long[] { 1, 2, 15, 16, 17, 40 }
            select new ConvolutionCase(FilterKind.LowRank, 2, 37, 100, 4) { Rank = rank, HasStatic = rank % 2 == 1, Residual = true }.ToOpCase());
}
