namespace DynConv.Models.Tokenizers;

/// <summary>What the pre-tokenization patterns tell apart.</summary>
internal enum CharacterClass : byte
{
    /// <summary><c>[^\s\p{L}\p{N}]</c>, and bytes that are not UTF-8.</summary>
    Symbol,

    /// <summary><c>\p{L}</c>.</summary>
    Letter,

    /// <summary><c>\p{N}</c>.</summary>
    Number,

    /// <summary><c>\s</c>.</summary>
    Space,
}
