using System.Text;
using DynConv.Models.Tokenizers.Patterns;
using DynConv.Models.Tokenizers.Pretokenization;

namespace DynConv.Models.Tokenizers;

/// <summary>Reads a <c>pre_tokenizer</c>.</summary>
internal sealed class PretokenizerReader
{
    /// <summary>Reads the steps.</summary>
    /// <param name="pretokenizer">The place; null for none.</param>
    /// <param name="readsBytes">Whether the model can take bytes from the last step.</param>
    /// <exception cref="DynConvException">A step is malformed or not supported.</exception>
    public PretokenizerReader(JsonPlace? pretokenizer, bool readsBytes)
    {
        JsonPlace[] places = pretokenizer is JsonPlace place ? [.. Flatten(place)] : [];
        LeavesBytes = readsBytes && places is [.., var last] && TypeOf(last) == "ByteLevel";
        Steps = [.. places.Index().SelectMany(step => Read(step.Item, isLast: step.Index == places.Length - 1))];
        IsPlainByteLevel = LeavesBytes && places is [var only] && !only.Flag("add_prefix_space", missing: true);
    }

    /// <summary>The steps in order.</summary>
    public IReadOnlyList<Pretokenizer> Steps { get; }

    /// <summary>Whether pieces come as bytes and not spelled in <see cref="ByteAlphabet"/>.</summary>
    public bool LeavesBytes { get; }

    /// <summary>Whether text is cut and nothing else.</summary>
    public bool IsPlainByteLevel { get; }

    private static IEnumerable<JsonPlace> Flatten(JsonPlace step) =>
        TypeOf(step) == "Sequence" ? step.Get("pretokenizers").Items().SelectMany(Flatten) : [step];

    private IEnumerable<Pretokenizer> Read(JsonPlace step, bool isLast)
    {
        string type = TypeOf(step);
        return type switch
        {
            "ByteLevel" => [new ByteLevel(
                PieceScanner.For(step.Flag("use_regex", missing: true) ? PretokenizerPattern.Gpt2 : PretokenizerPattern.None),
                step.Flag("add_prefix_space", missing: true),
                spells: !(isLast && LeavesBytes))],
            "Split" => [ReadSplit(step)],
            "Digits" => [new CharacterSplit(
                UnicodeSets.Number,
                step.Flag("individual_digits", missing: false) ? SplitBehavior.Isolated : SplitBehavior.Contiguous)],
            "Punctuation" => [new CharacterSplit(
                UnicodeSets.OldPunctuation,
                step.Find("behavior") is JsonPlace behavior ? ReadBehavior(behavior) : SplitBehavior.Isolated)],
            "Whitespace" => [new WordSplit()],
            "WhitespaceSplit" => [new CharacterSplit(UnicodeSets.Space, SplitBehavior.Removed)],
            "Metaspace" => [ReadMetaspace(step)],
            "BertPreTokenizer" => [
                new CharacterSplit(UnicodeSets.Space, SplitBehavior.Removed),
                new CharacterSplit(UnicodeSets.OldPunctuation, SplitBehavior.Isolated)],
            "CharDelimiterSplit" => [new PatternSplit(
                Pattern.OfText(step.Get("delimiter").Character()), SplitBehavior.Removed, inverted: false)],
            _ => throw step.Failure(
                $"is of type {JsonPlace.Cut(type)}; supported are ByteLevel, Split, Digits, Punctuation, Whitespace, WhitespaceSplit, "
                + "Metaspace, BertPreTokenizer, CharDelimiterSplit and Sequence"),
        };
    }

    private static Pretokenizer ReadSplit(JsonPlace split)
    {
        SplitBehavior behavior = ReadBehavior(split.Get("behavior"));
        bool inverted = split.Flag("invert", missing: false);
        JsonPlace pattern = split.Get("pattern");

        // Where every character is part of a match, matches are the same pieces isolated, and with what is between removed.
        return behavior == SplitBehavior.Isolated || (behavior == SplitBehavior.Removed && inverted)
            ? pattern.Find("Regex")?.Text() is string regex && PretokenizerRegex.FindScanner(regex) is { } scanner
                ? new ScannerSplit(scanner)
                : new PatternSplit(NormalizerReader.ReadPattern(pattern), behavior, inverted)
            : new PatternSplit(NormalizerReader.ReadPattern(pattern), behavior, inverted);
    }

    private static SplitBehavior ReadBehavior(JsonPlace behavior) =>
        behavior.Text() is string name && Enum.GetNames<SplitBehavior>().Contains(name)
            ? Enum.Parse<SplitBehavior>(name)
            : throw behavior.Failure(
                $"is {JsonPlace.Cut(behavior.Text())}; there are Removed, Isolated, MergedWithPrevious, MergedWithNext and Contiguous");

    private static Metaspace ReadMetaspace(JsonPlace step) => new(
        Encoding.UTF8.GetBytes(step.Get("replacement").Character()),
        ReadScheme(step),
        step.Flag("split", missing: true));

    /// <summary>Where a <c>Metaspace</c> puts its character.</summary>
    public static PrependScheme ReadScheme(JsonPlace step)
    {
        string name = step.Find("prepend_scheme")?.Text() ?? "always";
        PrependScheme scheme = name switch
        {
            "always" => PrependScheme.Always,
            "first" => PrependScheme.First,
            "never" => PrependScheme.Never,
            _ => throw step.Failure($"has the prepend_scheme {JsonPlace.Cut(name)}; there are always, first and never"),
        };
        return scheme == PrependScheme.Never || step.Flag("add_prefix_space", missing: true)
            ? scheme
            : throw step.Failure($"has add_prefix_space false, which goes with the prepend_scheme never and not with {name}");
    }

    private static string TypeOf(JsonPlace step) => step.Get("type").Text();
}
