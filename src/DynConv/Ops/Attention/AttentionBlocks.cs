using System.Runtime.CompilerServices;

namespace DynConv.Ops;

/// <summary>
/// How attention is cut up: blocks of keys that stay in the first-level cache, and strips of queries that leave out
/// the keys none of them sees, in steps of <see cref="Step"/> keys.
/// </summary>
internal static unsafe class AttentionBlocks
{
    /// <summary>Keys of a block, and queries that a forward work item covers.</summary>
    public const long Block = 64;

    /// <summary>Columns of scores are skipped in steps of the widest vector.</summary>
    public const long Step = CpuHeads.Multiple;

    /// <summary>Number of blocks.</summary>
    public static long Count(long length) => (length + Block - 1) / Block;

    /// <summary>The columns of a key block that some query of a strip sees, rounded outward to steps.</summary>
    public static (long First, long End) Columns(KeyRange range, long firstQuery, long queries, long firstKey)
    {
        long first = Math.Max(0, range.First(firstQuery) - firstKey) / Step * Step;
        long end = Math.Min(Block, range.End(firstQuery + queries - 1) - firstKey);
        return (first, (end + Step - 1) / Step * Step);
    }

    /// <summary>
    /// Puts negative infinity where a query does not see the key, into its products with columns [first, end).
    /// </summary>
    public static void Mask(float* products, long first, long end, KeyRange range, long query, long firstKey)
    {
        long before = Math.Min(end, range.First(query) - firstKey);
        for (long i = first; i < before; i++)
        {
            products[i] = float.NegativeInfinity;
        }

        for (long i = Math.Max(first, range.End(query) - firstKey); i < end; i++)
        {
            products[i] = float.NegativeInfinity;
        }
    }

    /// <summary>
    /// Writes <paramref name="count"/> rows of channels as the columns of <c>[channels, <see cref="Block"/>]</c>, zeros
    /// behind the last.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Transpose(float* from, long stride, long count, long channels, float* to)
    {
        for (long c = 0; c < channels; c++)
        {
            float* row = to + (c * Block);
            for (long i = 0; i < count; i++)
            {
                row[i] = from[(i * stride) + c];
            }

            for (long i = count; i < Block; i++)
            {
                row[i] = 0;
            }
        }
    }
}
