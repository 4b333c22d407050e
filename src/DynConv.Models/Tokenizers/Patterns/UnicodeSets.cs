using System.Globalization;

namespace DynConv.Models.Tokenizers.Patterns;

/// <summary>Sets of code points by their Unicode properties.</summary>
/// <remarks>
/// General categories are .NET's own tables. What .NET has no table for stands in <c>UnicodeSets.txt</c>: a set a line,
/// its name and its ranges, each as the distance of its first member from the last one before, and how many more follow.
/// </remarks>
internal static class UnicodeSets
{
    private const string Resource = "DynConv.Models.Tokenizers.Patterns.UnicodeSets.txt";

    private static readonly Lazy<Dictionary<string, string>> Lines = new(ReadLines);
    private static readonly Lazy<CodePointSet[]> Categories = new(MakeCategories);

    private static readonly string[] CategoryNames =
    [
        "lu", "ll", "lt", "lm", "lo", "mn", "mc", "me", "nd", "nl", "no", "zs", "zl", "zp", "cc", "cf", "cs", "co",
        "pc", "pd", "ps", "pe", "pi", "pf", "po", "sm", "sc", "sk", "so", "cn",
    ];

    private static readonly Dictionary<string, string> LongNames = new()
    {
        ["letter"] = "l", ["uppercaseletter"] = "lu", ["lowercaseletter"] = "ll", ["titlecaseletter"] = "lt",
        ["modifierletter"] = "lm", ["otherletter"] = "lo", ["mark"] = "m", ["combiningmark"] = "m", ["nonspacingmark"] = "mn",
        ["spacingmark"] = "mc", ["enclosingmark"] = "me", ["number"] = "n", ["decimalnumber"] = "nd",
        ["letternumber"] = "nl", ["othernumber"] = "no", ["separator"] = "z", ["spaceseparator"] = "zs",
        ["lineseparator"] = "zl", ["paragraphseparator"] = "zp", ["other"] = "c", ["control"] = "cc", ["format"] = "cf",
        ["surrogate"] = "cs", ["privateuse"] = "co", ["unassigned"] = "cn", ["punctuation"] = "p",
        ["connectorpunctuation"] = "pc", ["dashpunctuation"] = "pd", ["openpunctuation"] = "ps",
        ["closepunctuation"] = "pe", ["initialpunctuation"] = "pi", ["finalpunctuation"] = "pf",
        ["otherpunctuation"] = "po", ["symbol"] = "s", ["mathsymbol"] = "sm", ["currencysymbol"] = "sc",
        ["modifiersymbol"] = "sk", ["othersymbol"] = "so", ["digit"] = "nd", ["cntrl"] = "cc",
        ["alpha"] = "alphabetic", ["lower"] = "lowercase", ["upper"] = "uppercase",
    };

    private static readonly string[] CasedLetters = ["lu", "ll", "lt"];

    /// <summary>White space, as <c>\s</c> and as Unicode has it.</summary>
    public static CodePointSet Space { get; } = CodePointSet.Of(
        (9, 13), (0x20, 0x20), (0x85, 0x85), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029),
        (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000));

    /// <summary>What Oniguruma's <c>\w</c> matches.</summary>
    public static CodePointSet Word { get => field ??= WordCore.Union(CodePointSet.Of((0xB2, 0xB3), (0xB9, 0xB9), (0xBC, 0xBE))); }

    /// <summary>What the <c>\w</c> of Rust's regular expressions matches.</summary>
    public static CodePointSet RustWord { get => field ??= WordCore.Union(CodePointSet.Of((0x200C, 0x200D))); }

    /// <summary>What the pre-tokenizer Punctuation takes for punctuation: tables of Unicode 8 and the symbols of ASCII.</summary>
    public static CodePointSet OldPunctuation { get => field ??= Named("punctuation_8")!; }

    /// <summary>What the normalizer StripAccents strips: marks by tables of Unicode 9.</summary>
    public static CodePointSet OldMarks { get => field ??= Named("combining_mark_9")!; }

    /// <summary>Numbers of every kind.</summary>
    public static CodePointSet Number { get => field ??= Category("n")!; }

    private static CodePointSet WordCore
    {
        get => field ??= Category("l")!.Union(Category("m")!).Union(Category("nl")!).Union(Category("nd")!).Union(Category("pc")!)
            .Union(CodePointSet.Of((0x24B6, 0x24E9), (0x1F130, 0x1F149), (0x1F150, 0x1F169), (0x1F170, 0x1F189)));
    }

    /// <summary>The set of a property: a general category, a script or one of a few others; null if it is not known.</summary>
    public static CodePointSet? Find(string name)
    {
        string key = name.Replace("_", "", StringComparison.Ordinal).Replace(" ", "", StringComparison.Ordinal)
            .Replace("-", "", StringComparison.Ordinal).ToLowerInvariant();
        key = LongNames.GetValueOrDefault(key, key);
        return key switch
        {
            "any" => CodePointSet.All,
            "assigned" => Category("cn")!.Complement(),
            "ascii" => CodePointSet.Of((0, 0x7F)),
            "space" or "whitespace" => Space,
            "word" => Word,
            "blank" => Category("zs")!.Union(CodePointSet.Of('\t')),
            "xdigit" => CodePointSet.Of(('0', '9'), ('a', 'f'), ('A', 'F')),
            "punct" => Category("p")!.Union(Category("s")!),
            "alnum" => Named("alphabetic")!.Union(Category("nd")!),
            "lc" or "l&" => CasedLetters.Select(static part => Category(part)!).Aggregate(static (a, b) => a.Union(b)),
            _ => Category(key) ?? Named(key),
        };
    }

    private static CodePointSet? Category(string name)
    {
        CodePointSet[] members = [.. CategoryNames.Index()
            .Where(category => category.Item.StartsWith(name, StringComparison.Ordinal))
            .Select(static category => Categories.Value[category.Index])];
        return name.Length is 1 or 2 && members.Length > 0 ? members.Aggregate(static (a, b) => a.Union(b)) : null;
    }

    private static CodePointSet? Named(string name) =>
        Lines.Value.TryGetValue(name.Replace("_", "", StringComparison.Ordinal), out string? line) ? Parse(line) : null;

    private static CodePointSet Parse(string line)
    {
        List<(int, int)> ranges = [];
        int last = 0;
        foreach (string item in line.Split(' ', StringSplitOptions.RemoveEmptyEntries).Skip(1))
        {
            string[] parts = item.Split('+');
            int first = last + int.Parse(parts[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            last = first + (parts.Length > 1 ? int.Parse(parts[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture) : 0);
            ranges.Add((first, last));
        }

        return CodePointSet.Of(ranges);
    }

    private static Dictionary<string, string> ReadLines()
    {
        using Stream stream = typeof(UnicodeSets).Assembly.GetManifestResourceStream(Resource)
            ?? throw new InvalidOperationException($"The resource {Resource} is missing.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries).ToDictionary(
            static line => line[..line.IndexOf(' ', StringComparison.Ordinal)].Replace("_", "", StringComparison.Ordinal).ToLowerInvariant());
    }

    private static CodePointSet[] MakeCategories()
    {
        var ranges = new List<(int First, int Last)>[CategoryNames.Length];
        for (int i = 0; i < ranges.Length; i++)
        {
            ranges[i] = [];
        }

        int start = 0;
        var category = CharUnicodeInfo.GetUnicodeCategory(0);
        for (int c = 1; c <= CodePointSet.Last + 1; c++)
        {
            UnicodeCategory next = c <= CodePointSet.Last ? CharUnicodeInfo.GetUnicodeCategory(c) : (UnicodeCategory)(-1);
            if (next != category)
            {
                ranges[(int)category].Add((start, c - 1));
                (start, category) = (c, next);
            }
        }

        return [.. ranges.Select(static list => CodePointSet.Of(list))];
    }
}
