using DynConv.Models.Tokenizers.Decoding;
using DynConv.Models.Tokenizers.Normalization;
using DynConv.Models.Tokenizers.Pretokenization;

namespace DynConv.Models.Tokenizers;

/// <summary>What a BPE tokenizer is besides its vocabulary.</summary>
internal sealed record BpeSettings
{
    /// <summary>What changes text first.</summary>
    public IReadOnlyList<Normalizer> Normalizers { get; init; } = [];

    /// <summary>What cuts it into pieces.</summary>
    public IReadOnlyList<Pretokenizer> Pretokenizers { get; init; } = [];

    /// <summary>What makes text of tokens.</summary>
    public TokenDecoder Decoder { get; init; } = new ByteLevelDecoder();

    /// <summary>How pieces become tokens.</summary>
    public BpeModelSettings Model { get; init; } = new();

    /// <summary>What the post-processor puts around a text.</summary>
    public TokenTemplate Template { get; init; } = TokenTemplate.Empty;

    /// <summary>The file that it was read from, to be written as it was; null if it came from no single file.</summary>
    public byte[]? Source { get; init; }

    /// <summary>The pattern that a tokenizer without a <see cref="Source"/> has.</summary>
    public PretokenizerPattern Pattern { get; init; }

    /// <summary>Byte-level BPE with one of the patterns that tokenizers can be trained with.</summary>
    public static BpeSettings Of(PretokenizerPattern pattern) => new()
    {
        Pattern = pattern,
        Pretokenizers = [new ByteLevel(PieceScanner.For(pattern), addPrefixSpace: false, spells: false)],
    };
}

/// <summary>How pieces become tokens, besides vocabulary and merges.</summary>
internal sealed record BpeModelSettings
{
    /// <summary>Whether pieces are bytes, which tokens spell in <see cref="ByteAlphabet"/>; else they are characters.</summary>
    public bool ReadsBytes { get; init; } = true;

    /// <summary>Whether a piece that is a token as a whole is that token, whatever the merges make of it.</summary>
    public bool IgnoresMerges { get; init; }

    /// <summary>The token for what the vocabulary lacks; null to drop it.</summary>
    public string? UnknownToken { get; init; }

    /// <summary>Whether neighbouring unknown characters are one token.</summary>
    public bool FusesUnknown { get; init; }

    /// <summary>Whether what the vocabulary lacks is spelled in tokens such as <c>&lt;0x0A&gt;</c>, if it has them.</summary>
    public bool FallsBackToBytes { get; init; }

    /// <summary>What every character's token but a piece's first begins with.</summary>
    public string Prefix { get; init; } = "";

    /// <summary>What the token of a piece's last character ends with.</summary>
    public string Suffix { get; init; } = "";
}
