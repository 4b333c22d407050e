using System.Text;

namespace DynConv;

/// <summary>
/// A failure that its message explains to the person who caused it: what was wrong, where, and what to do.
/// </summary>
/// <remarks>
/// Messages quote names and values from files that anybody may have written, so each is cleaned by <see cref="OneLine"/>.
/// </remarks>
public class DynConvException : Exception
{
    private const int LongestMessage = 1000;
    private const int KeptEnd = 300;
    private const string Gap = " … ";

    /// <summary>Creates the failure.</summary>
    /// <param name="message">One sentence or two.</param>
    public DynConvException(string message)
        : base(OneLine(message))
    {
    }

    /// <summary>Creates the failure from the one that led to it.</summary>
    /// <param name="message">One sentence or two.</param>
    /// <param name="innerException">What led to it.</param>
    public DynConvException(string message, Exception innerException)
        : base(OneLine(message), innerException)
    {
    }

    /// <summary>
    /// A text as a message may have it: on one line, with control characters, which a terminal would obey, and halves of
    /// surrogate pairs as U+FFFD, and with the middle left out where it is longer than 1,000 characters.
    /// </summary>
    /// <param name="text">Any text.</param>
    public static string OneLine(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        string cut = text.Length <= LongestMessage
            ? text
            : string.Concat(text.AsSpan(0, LongestMessage - KeptEnd - Gap.Length), Gap, text.AsSpan(text.Length - KeptEnd));
        string line = cut.ReplaceLineEndings(" ");
        return line.All(static c => !char.IsControl(c) && !char.IsSurrogate(c))
            ? line
            : string.Concat(line.EnumerateRunes().Select(static rune => Rune.IsControl(rune) ? "\uFFFD" : rune.ToString()));
    }
}

/// <summary>An op produced an infinity or a NaN while <see cref="FiniteCheck"/> was on.</summary>
public sealed class NonFiniteException : DynConvException
{
    /// <summary>Creates the failure.</summary>
    /// <param name="op">The op's name.</param>
    /// <param name="place">Where it was called, as in <c>model.layers.3.mlp</c>; empty if unknown.</param>
    /// <param name="gradient">Whether a gradient, and not the result, was not finite.</param>
    public NonFiniteException(string op, string place, bool gradient)
        : base($"{op}{(place.Length > 0 ? $" in {place}" : "")} produced a non-finite {(gradient ? "gradient" : "value")}.")
    {
        Op = op;
        Place = place;
        IsGradient = gradient;
    }

    /// <summary>The op's name.</summary>
    public string Op { get; }

    /// <summary>Where it was called; empty if unknown.</summary>
    public string Place { get; }

    /// <summary>Whether a gradient, and not the result, was not finite.</summary>
    public bool IsGradient { get; }
}
