namespace DynConv.Ops;

/// <summary>Channels <c>Start .. Start + Count - 1</c> that a kernel works on at a time.</summary>
internal readonly record struct ChannelBlock(long Start, long Count);
