namespace DynConv.Ops;

/// <summary>One sequence: its number and its tokens <c>Start .. End - 1</c>.</summary>
internal readonly record struct TokenSequence(long Index, long Start, long End)
{
    public bool Contains(long token) => token >= Start && token < End;
}
