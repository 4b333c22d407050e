namespace DynConv.Ops;

/// <summary>Neighbouring tokens of one sequence in a block of channels.</summary>
/// <param name="Block">The channels.</param>
/// <param name="Width">W.</param>
/// <param name="Token">The first token.</param>
/// <param name="Rows">How many tokens.</param>
/// <param name="TileRow">Place of the first token in its tile.</param>
internal readonly record struct TokenSpan(ChannelBlock Block, int Width, long Token, long Rows, long TileRow);
