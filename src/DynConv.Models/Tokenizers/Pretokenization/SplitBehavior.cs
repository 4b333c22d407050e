namespace DynConv.Models.Tokenizers.Pretokenization;

/// <summary>What becomes of what a pattern matches.</summary>
internal enum SplitBehavior
{
    /// <summary>It is dropped.</summary>
    Removed,

    /// <summary>It is a piece.</summary>
    Isolated,

    /// <summary>It is the end of the piece before it.</summary>
    MergedWithPrevious,

    /// <summary>It is the beginning of the piece after it.</summary>
    MergedWithNext,

    /// <summary>It is a piece, together with matches that touch it.</summary>
    Contiguous,
}
