using DynConv.Modules;

namespace DynConv.Tests.Ops.ShortConvolutions;

/// <summary>Shapes, options and their combinations that every kind goes through.</summary>
internal static class ConvolutionCaseTable
{
    public static IEnumerable<OpCase> Of(ShortConvolutionKind kind) => Cases(kind).Select(one => one.ToOpCase());

    private static IEnumerable<ConvolutionCase> Cases(ShortConvolutionKind kind)
    {
        // Every width, with the static part and the residual in turn.
        foreach (int width in new[] { 1, 2, 3, 4, 5, 8, 16 })
        {
            yield return Sized(new(kind, 2, 18, 20, width) { HasStatic = true, Residual = width % 2 == 0 });
            yield return Sized(new(kind, 1, 19, 36, width) { HasStatic = kind == ShortConvolutionKind.Static, Residual = width % 2 == 1 });
            yield return Sized(new(kind, 2, 9, 20, width) { HasState = width > 1, ReturnsState = true, HasStatic = true });
        }

        // Lengths below the width, one channel, primes, more than a tile or a block of channels, nothing at all.
        foreach ((long b, long t, long d) in new (long, long, long)[]
        {
            (1, 1, 1), (3, 1, 7), (1, 2, 16), (2, 3, 33), (3, 13, 17), (1, 71, 67), (1, 5, 1040), (0, 4, 8), (2, 0, 8),
        })
        {
            yield return Sized(new(kind, b, t, d, 4) { HasStatic = true, Residual = true });
            yield return Sized(new(kind, b, t, d, 4)
            {
                HasStatic = kind == ShortConvolutionKind.Static,
                HasState = true,
                ReturnsState = true,
            });
        }

        // Biases and activations, in rows that fill a card's widest accesses and in others.
        foreach ((long b, long t, long d, int width) in new (long, long, long, int)[]
        {
            (2, 18, 20, 4), (1, 37, 136, 4), (2, 9, 33, 3), (1, 5, 1040, 4), (2, 14, 24, 1), (1, 21, 16, 16), (0, 4, 8, 4),
        })
        {
            yield return Sized(new(kind, b, t, d, width) { HasStatic = true, HasBias = true, Residual = width == 3 });
            yield return Sized(new(kind, b, t, d, width) { HasStatic = kind == ShortConvolutionKind.Static, HasSilu = true, Residual = true });
            yield return Sized(new(kind, b, t, d, width)
            {
                HasStatic = true,
                HasBias = true,
                HasSilu = true,
                HasState = width > 1,
                ReturnsState = true,
            });
        }

        // Sequences shorter than the filter, empty ones first, last and between, with states and without.
        foreach (long[] bounds in new long[][] { [0, 5, 6, 8, 30], [0, 0, 1, 1, 1, 27, 27], [0, 33, 64, 90] })
        {
            foreach (bool state in new[] { false, true })
            {
                yield return Sized(new(kind, 1, bounds[^1], 24, 4)
                {
                    HasStatic = true,
                    Residual = state,
                    HasState = state,
                    ReturnsState = state,
                    CuSeqlens = bounds,
                });
                yield return Sized(new(kind, 1, bounds[^1], 24, 4) { HasStatic = true, HasBias = state, HasSilu = true, CuSeqlens = bounds });
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
    public static IEnumerable<OpCase> Cases =>
    [
        .. ConvolutionCaseTable.Of(ShortConvolutionKind.Static),

        // Several parts of a sequence, packed and not, and rows that fill a card's widest accesses.
        new ConvolutionCase(ShortConvolutionKind.Static, 3, 45, 512, 4) { Residual = true }.ToOpCase(),
        new ConvolutionCase(ShortConvolutionKind.Static, 1, 45, 264, 3) { HasState = true, CuSeqlens = [0, 2, 16, 17, 45] }.ToOpCase(),
    ];
}

public sealed class HeadWiseConvolutionTests : OpTests<HeadWiseConvolutionTests>, IOpCases
{
    public static IEnumerable<OpCase> Cases =>
    [
        .. ConvolutionCaseTable.Of(ShortConvolutionKind.HeadWise),
        .. from heads in new long[] { 1, 2, 3, 12, 36, 576 }
           select new ConvolutionCase(ShortConvolutionKind.HeadWise, 2, 11, 576, 3) { Heads = heads, HasStatic = heads > 2 }.ToOpCase(),

        // Rows of whole and of started groups of a card's lanes, heads of one lane, of several, and more than a warp has.
        .. from heads in new long[] { 1, 2, 5, 20, 40, 80, 160, 320 }
           select new ConvolutionCase(ShortConvolutionKind.HeadWise, 2, 27, 320, 4)
           {
               Heads = heads,
               HasStatic = heads % 20 == 0,
               Residual = heads % 40 == 0,
               HasState = heads < 20,
           }.ToOpCase(),
        .. from heads in new long[] { 16, 64 }
           select new ConvolutionCase(ShortConvolutionKind.HeadWise, 1, 40, 512, 5)
           {
               Heads = heads,
               HasStatic = true,
               HasState = true,
               ReturnsState = true,
               CuSeqlens = [0, 1, 1, 4, 23, 40],
           }.ToOpCase(),
    ];
}

/// <summary>Heads whose channels no power of two of a card's lanes shares, in rows that begin anywhere and in aligned ones.</summary>
public sealed class HeadWiseLayoutTests : OpTests<HeadWiseLayoutTests>, IOpCases
{
    public static IEnumerable<OpCase> Cases => new ConvolutionCase[]
    {
        Heads(3, 23, 21, 4) with { HasStatic = true },
        Heads(2, 24, 38, 4) with { Batch = 1, Residual = true, CuSeqlens = [0, 1, 3, 12, 38] },
        Heads(35, 3, 12, 2) with { Batch = 1, HasState = true, CuSeqlens = [0, 0, 2, 7, 8, 12] },
        Heads(2, 67, 9, 5) with { HasStatic = true, Residual = true },
        Heads(1, 261, 7, 3) with { HasState = true, ReturnsState = true },
        Heads(2, 9, 5, 16),
    }.Select(one => one.ToOpCase());

    private static ConvolutionCase Heads(long heads, long size, long time, int width) => new(ShortConvolutionKind.HeadWise, 2, time, heads * size, width)
    {
        Heads = heads,
    };
}

public sealed class LowRankConvolutionTests : OpTests<LowRankConvolutionTests>, IOpCases
{
    public static IEnumerable<OpCase> Cases =>
    [
        .. ConvolutionCaseTable.Of(ShortConvolutionKind.LowRank),
        .. from rank in new long[] { 1, 2, 15, 16, 17, 40 }
           select new ConvolutionCase(ShortConvolutionKind.LowRank, 2, 37, 100, 4) { Rank = rank, HasStatic = rank % 2 == 1, Residual = true }.ToOpCase(),
        .. Tiles().Select(one => one.ToOpCase()),
    ];

    /// <summary>What tensor cores compute on a card: edges of their tiles of ranks, channels and tokens.</summary>
    private static IEnumerable<ConvolutionCase> Tiles()
    {
        foreach (long rank in new long[] { 1, 15, 16, 17, 31, 32, 40, 64 })
        {
            yield return new(ShortConvolutionKind.LowRank, 2, 37, 40, 4) { Rank = rank, HasStatic = rank % 2 == 0, Residual = rank % 3 == 0 };
        }

        foreach (int width in new[] { 1, 2, 3, 5, 6, 8 })
        {
            yield return new(ShortConvolutionKind.LowRank, 1, 44, 24, width)
            {
                Rank = 4 * width,
                HasStatic = true,
                HasState = width > 1,
                ReturnsState = width > 1,
            };
            yield return new(ShortConvolutionKind.LowRank, 1, 70, 16, width) { Rank = 16, CuSeqlens = [0, 1, 3, 30, 30, 41, 70], Residual = true };
        }

        foreach ((long t, long d) in new (long, long)[] { (8, 8), (31, 264), (130, 136), (257, 16) })
        {
            yield return new(ShortConvolutionKind.LowRank, 1, t, d, 4) { Rank = 16, HasStatic = true };
            yield return new(ShortConvolutionKind.LowRank, 2, t, d, 4) { Rank = 16, HasState = true, ReturnsState = true, Residual = true };
        }
    }
}

/// <summary>A few cases that reach every loop at every vector width; what <see cref="SimdLevelTests"/> reruns.</summary>
public sealed class ConvolutionLoopTests : OpTests<ConvolutionLoopTests>, IOpCases
{
    public static IEnumerable<OpCase> Cases =>
        from kind in Enum.GetValues<ShortConvolutionKind>()
        from width in new[] { 1, 2, 3, 4, 6 }
        select new ConvolutionCase(kind, 2, 14, 91, width)
        {
            Heads = width % 2 == 0 ? 7 : 1,
            Rank = 5,
            HasStatic = true,
            HasState = width > 1,
            ReturnsState = true,
            Residual = width == 4,
            HasBias = width > 2,
            HasSilu = width is 2 or 4,
        }.ToOpCase();
}
