using System.Globalization;

namespace DynConv.Ops;

/// <summary>Sizes of the letters that an op's dimensions are written in: <c>B=4 T=4096 D=2048</c>.</summary>
public sealed class OpSizes
{
    private static readonly char[] Operators = ['*', '/', '+', '-'];

    private readonly Dictionary<string, long> _sizes;
    private readonly string _text;

    private OpSizes(string text, Dictionary<string, long> sizes) => (_text, _sizes) = (text, sizes);

    /// <summary>The size of a letter.</summary>
    /// <param name="letter">Which.</param>
    /// <exception cref="DynConvException">It has none.</exception>
    public long this[string letter] => _sizes.TryGetValue(letter, out long size)
        ? size
        : throw new DynConvException($"There is no size of {letter} among {_text}.");

    /// <summary>Reads letters and sizes.</summary>
    /// <param name="text">Pairs with spaces between them.</param>
    public static OpSizes Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var sizes = new Dictionary<string, long>();
        foreach (string pair in text.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            string[] parts = pair.Split('=');
            sizes[parts[0]] = parts.Length == 2 && long.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out long size)
                ? size
                : throw new DynConvException($"Sizes are written as in B=4 T=4096, not as {pair}.");
        }

        return new OpSizes(text, sizes);
    }

    /// <summary>The dimensions of a tensor.</summary>
    /// <param name="tensor">Which.</param>
    public Shape ShapeOf(OpTensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        string[] dimensions = tensor.Dimensions.Trim('[', ']').Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return [.. dimensions.Select(Evaluate)];
    }

    /// <summary>The same with some letters' sizes replaced.</summary>
    /// <param name="others">Letters and sizes, all of which are among these.</param>
    /// <exception cref="DynConvException">A letter is not.</exception>
    public OpSizes With(OpSizes others)
    {
        ArgumentNullException.ThrowIfNull(others);
        if (others._sizes.Keys.FirstOrDefault(letter => !_sizes.ContainsKey(letter)) is { } unknown)
        {
            throw new DynConvException($"There is no {unknown} among {_text}.");
        }

        return Parse(string.Join(' ', _sizes.Select(pair => $"{pair.Key}={others._sizes.GetValueOrDefault(pair.Key, pair.Value)}")));
    }

    /// <summary>As they were written.</summary>
    public override string ToString() => _text;

    private long Evaluate(string term)
    {
        int at = term.IndexOfAny(Operators);
        if (at < 0)
        {
            return long.TryParse(term, NumberStyles.None, CultureInfo.InvariantCulture, out long number) ? number : this[term];
        }

        (long left, long right) = (Evaluate(term[..at]), Evaluate(term[(at + 1)..]));
        return term[at] switch
        {
            '*' => left * right,
            '/' => left / right,
            '+' => left + right,
            _ => left - right,
        };
    }
}
