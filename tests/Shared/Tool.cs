using System.Diagnostics.CodeAnalysis;

namespace DynConv.Tests;

/// <summary>A program or a library that tests use where it is.</summary>
/// <param name="Path">Where it is; null if it is missing.</param>
/// <param name="Missing">Why it is not used; null if it is.</param>
public sealed record Tool(string? Path, string? Missing)
{
    /// <summary>Whether it can be used.</summary>
    [MemberNotNullWhen(true, nameof(Path))]
    [MemberNotNullWhen(false, nameof(Missing))]
    public bool IsThere => Missing is null;

    /// <summary>One that is missing.</summary>
    public static Tool Not(string reason) => new(null, reason);

    /// <summary>Skips the test, with the reason, where it is missing.</summary>
    public string OrSkip()
    {
        Assert.SkipUnless(IsThere, Missing ?? "");
        return Path ?? "";
    }
}
