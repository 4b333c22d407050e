using System.Runtime.InteropServices;

namespace DynConv.Models.Tokenizers.Patterns;

/// <summary>
/// A regular expression as Hugging Face's library has it (Oniguruma's syntax, on code points), or a literal. Immutable; any
/// number of threads may use it.
/// </summary>
internal sealed class Pattern
{
    private const int LongestSource = 1 << 16;
    private const int LongestShown = 200;

    [ThreadStatic]
    private static Scratch? _scratch;

    private readonly string _source;
    private readonly PatternProgram _program;

    private Pattern(string source, PatternNode node)
    {
        _source = source;
        _program = PatternProgram.Compile(node);
    }

    /// <summary>The pattern of a regular expression.</summary>
    /// <exception cref="FormatException">It is malformed or not supported; the message is a phrase.</exception>
    public static Pattern OfRegex(string regex) => regex.Length <= LongestSource
        ? new Pattern(regex, PatternParser.Parse(regex))
        : throw new FormatException("it is too long");

    /// <summary>The pattern of a literal.</summary>
    public static Pattern OfText(string text) => new(
        text,
        new PatternNode.Sequence([.. text.EnumerateRunes().Select(static rune => new PatternNode.Character(CodePointSet.Of(rune.Value)))]));

    /// <summary>The beginning of a regular expression, for a message.</summary>
    public static string Show(string regex) => JsonPlace.Cut(regex, LongestShown);

    /// <summary>Finds all matches in UTF-8 text: where each starts and ends, in order.</summary>
    /// <param name="text">Any bytes; those that are not UTF-8 are U+FFFD to the pattern.</param>
    /// <param name="matches">Where they go.</param>
    /// <exception cref="DynConvException">It takes too many steps.</exception>
    public void FindAll(ReadOnlySpan<byte> text, List<(int Start, int End)> matches)
    {
        // A pattern may be at work on what another one found, so the scratch is not used twice at once.
        Scratch scratch = _scratch ?? new Scratch();
        _scratch = null;
        int first = matches.Count;
        try
        {
            CodePoints.Read(text, scratch.CodePoints, scratch.Starts);
            scratch.Matcher.FindAll(_program, CollectionsMarshal.AsSpan(scratch.CodePoints), matches);
        }
        catch (TimeoutException exception)
        {
            throw new DynConvException(
                $"The regular expression {Show(_source)} of the tokenizer takes too many steps on this text.", exception);
        }

        for (int i = first; i < matches.Count; i++)
        {
            matches[i] = (scratch.Starts[matches[i].Start], scratch.Starts[matches[i].End]);
        }

        _scratch = scratch;
    }

    private sealed class Scratch
    {
        public PatternMatcher Matcher { get; } = new();

        public List<int> CodePoints { get; } = [];

        public List<int> Starts { get; } = [];
    }
}
