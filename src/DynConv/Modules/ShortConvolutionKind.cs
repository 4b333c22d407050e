namespace DynConv.Modules;

/// <summary>How a short convolution comes by its filters.</summary>
public enum ShortConvolutionKind
{
    /// <summary>One learned filter for all tokens.</summary>
    Static,

    /// <summary>One filter a token and head of consecutive channels, made from the token.</summary>
    HeadWise,

    /// <summary>One filter a token and channel, made from the token through a bottleneck.</summary>
    LowRank,
}

/// <summary>The names of <see cref="ShortConvolutionKind"/> on the command line and in files.</summary>
public static class ShortConvolutionKinds
{
    /// <summary>Stands for no convolution where one may be left out.</summary>
    public const string None = "none";

    /// <summary>The name of each kind.</summary>
    public static IReadOnlyList<string> Names { get; } = ["static", "headwise", "lowrank"];

    /// <summary><see cref="None"/> and the name of each kind.</summary>
    public static IReadOnlyList<string> NamesOrNone { get; } = [None, .. Names];

    /// <summary>The name of a kind.</summary>
    /// <param name="kind">A kind.</param>
    public static string Name(this ShortConvolutionKind kind) => Names[(int)kind];

    /// <summary>A kind by its name.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <exception cref="DynConvException">There is no such kind.</exception>
    public static ShortConvolutionKind Parse(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        for (int i = 0; i < Names.Count; i++)
        {
            if (Names[i] == name)
            {
                return (ShortConvolutionKind)i;
            }
        }

        throw new DynConvException($"'{name}' is no kind of convolution; use {List(Names)}.");
    }

    /// <summary>A kind by its name, or null for <see cref="None"/>.</summary>
    /// <param name="name">One of <see cref="NamesOrNone"/>.</param>
    /// <param name="what">What the name was given for, as the message calls it.</param>
    /// <exception cref="DynConvException">It is neither.</exception>
    public static ShortConvolutionKind? ParseOrNone(string name, string what = "conv")
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(what);
        return name == None ? null
            : Names.Contains(name) ? Parse(name)
            : throw new DynConvException($"{what} is '{name}'; use {List(NamesOrNone)}.");
    }

    private static string List(IReadOnlyList<string> names) => $"{string.Join(", ", names.SkipLast(1))} or {names[^1]}";
}
