using DynConv.Cuda;

namespace DynConv.Ops;

/// <summary>
/// How the backward kernel cuts the tokens of each batch entry into parts, one a warp, so that the multiprocessors end together.
/// </summary>
/// <param name="Length">Tokens of a part, except the last of a batch entry.</param>
/// <param name="Count">Parts of a batch entry.</param>
/// <param name="BlocksAlong">Blocks along the tokens: each has a partial sum of the static weight's gradient.</param>
/// <param name="Blocks">Blocks of the launch.</param>
internal readonly record struct HeadWiseParts(int Length, long Count, long BlocksAlong, long Blocks)
{
    // What a multiprocessor has under way from memory: three times what hides its latency at full bandwidth. More warps
    // would only mean shorter parts, and so more rows that two of them read.
    private const int BytesUnderWay = 48 << 10;
    private const int TokensAhead = 8;
    private const int RowsRead = 2;
    private const int LeastBlocks = 2;
    private const int LeastTokens = 8;
    private const int MostTokens = 1 << 30;
    private const int MostWaves = 6;

    /// <summary>The cut that takes the least time, counted in tokens that a multiprocessor's warps walk along.</summary>
    /// <param name="inputs">The convolution.</param>
    /// <param name="key">The kernel's key.</param>
    /// <param name="kernel">The kernel.</param>
    public static HeadWiseParts Of(ConvolutionInputs inputs, HeadWiseKey key, CudaKernel kernel)
    {
        CudaContext context = inputs.X.Device.Context;
        (long batch, long time) = (inputs.Sequences.Batch, inputs.Sequences.Time);
        long groups = (inputs.Channels + key.GroupChannels - 1) / key.GroupChannels;
        int bytes = ((RowsRead * key.Channels) + (key.Heads * key.Width)) * key.Type.SizeInBytes() * HeadWiseKey.BackwardThreads * TokensAhead;
        int blocks = Math.Max(LeastBlocks, (BytesUnderWay + bytes - 1) / bytes);
        blocks = Math.Min(blocks, kernel.MaximumBlocksPerMultiprocessor(HeadWiseKey.BackwardThreads));
        long slots = (long)context.Multiprocessors * blocks * HeadWiseKey.Warps;
        long length = time;
        long least = long.MaxValue;

        // Rows that are read again at the ends of a part, and the time until its first rows arrive.
        long extra = (2 * (inputs.Width - 1)) + LeastTokens;
        for (int waves = 1; waves <= MostWaves; waves++)
        {
            long parts = Math.Max(1, waves * slots / (batch * groups));
            long tokens = Math.Min(MostTokens, Math.Max(LeastTokens, (time + parts - 1) / parts));
            long warps = batch * groups * ((time + tokens - 1) / tokens);
            long cost = (warps + slots - 1) / slots * (tokens + extra);
            if (cost < least)
            {
                (length, least) = (tokens, cost);
            }
        }

        long count = (time + length - 1) / length;
        long blocksAlong = ((batch * count) + HeadWiseKey.Warps - 1) / HeadWiseKey.Warps;
        return new HeadWiseParts((int)length, count, blocksAlong, blocksAlong * groups);
    }
}
