namespace DynConv.Models;

/// <summary>Kinds of short convolutions.</summary>
public enum ShortConvolutionKind
{
    /// <summary>One learned filter for all tokens.</summary>
    Static,

    /// <summary>One filter a token and group of channels, made from the token.</summary>
    HeadWise,

    /// <summary>One filter a token and channel, made from the token through a bottleneck.</summary>
    LowRank,
}

/// <summary>Which short convolutions a model has: the <c>short_conv</c> section of <c>config.json</c>.</summary>
public sealed record ShortConvolutionConfiguration
{
    /// <summary>Linear layers that a convolution can follow, in the order in which a block runs them.</summary>
    public static IReadOnlyList<string> LinearLayers { get; } = ["q", "k", "v", "o", "gate", "up", "down"];

    /// <summary>How filters are made.</summary>
    public ShortConvolutionKind Kind { get; init; } = ShortConvolutionKind.LowRank;

    /// <summary>Taps of a filter, 1 to 16; tap 0 is the current token.</summary>
    public int Width { get; init; } = 4;

    /// <summary>Size of the bottleneck of <see cref="ShortConvolutionKind.LowRank"/>.</summary>
    public int Rank { get; init; } = 16;

    /// <summary>Neighbouring channels that share a filter of <see cref="ShortConvolutionKind.HeadWise"/>.</summary>
    public int HeadSize { get; init; } = 16;

    /// <summary>Names of the linear layers that a convolution follows, some of <see cref="LinearLayers"/> in that order.</summary>
    public IReadOnlyList<string> Placement { get; init; } = ["q", "k", "v"];

    /// <summary>Whether the convolution's input is added to its output. Always true in the paper.</summary>
    public bool Residual { get; init; } = true;

    /// <summary>Reads <c>qkv</c>, <c>all</c>, or names of linear layers with commas between them.</summary>
    /// <param name="text">As on the command line.</param>
    public static IReadOnlyList<string> ParsePlacement(string text)
    {
        string[] names = text.Trim() switch
        {
            "all" => [.. LinearLayers],
            "qkv" => ["q", "k", "v"],
            string other => other.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries),
        };
        return OrderPlacement(names);
    }

    /// <summary>Reads <c>static</c>, <c>headwise</c> or <c>lowrank</c>.</summary>
    /// <param name="text">As on the command line and in <c>config.json</c>.</param>
    public static ShortConvolutionKind ParseKind(string text) => text switch
    {
        "static" => ShortConvolutionKind.Static,
        "headwise" => ShortConvolutionKind.HeadWise,
        "lowrank" => ShortConvolutionKind.LowRank,
        _ => throw new DynConvException($"'{text}' is no kind of convolution; use static, headwise or lowrank."),
    };

    /// <summary>The name that <see cref="ParseKind"/> reads.</summary>
    /// <param name="kind">A kind.</param>
    public static string KindName(ShortConvolutionKind kind) => kind switch
    {
        ShortConvolutionKind.Static => "static",
        ShortConvolutionKind.HeadWise => "headwise",
        _ => "lowrank",
    };

    internal static IReadOnlyList<string> OrderPlacement(IReadOnlyCollection<string> names)
    {
        foreach (string name in names)
        {
            if (!LinearLayers.Contains(name))
            {
                throw new DynConvException(
                    $"There is no linear layer '{name}' to place a convolution on; use qkv, all, or some of {string.Join(", ", LinearLayers)}.");
            }
        }

        return names.Count > 0
            ? [.. LinearLayers.Where(names.Contains)]
            : throw new DynConvException("A convolution needs a placement: qkv, all, or some of " + string.Join(", ", LinearLayers) + ".");
    }

    internal void Validate()
    {
        if (Width is < 1 or > 16)
        {
            throw new DynConvException($"A convolution's width is {Width}; it can be 1 to 16.");
        }

        if (Kind == ShortConvolutionKind.LowRank && Rank < 1)
        {
            throw new DynConvException($"A low-rank convolution's rank is {Rank}; it has to be at least 1.");
        }

        if (Kind == ShortConvolutionKind.HeadWise && HeadSize < 1)
        {
            throw new DynConvException($"A head-wise convolution's head size is {HeadSize}; it has to be at least 1.");
        }
    }
}
