using System.Globalization;

namespace DynConv.Ops;

/// <summary>Sizes of the letters that an op's dimensions are written in: <c>B=4 T=4096 D=2048</c>.</summary>
public sealed class OpSizes
{
    private const long Largest = int.MaxValue;

    private static readonly char[] Operators = ['*', '/', '+', '-'];

    private readonly Dictionary<string, long> _sizes;
    private readonly string _text;

    private OpSizes(string text, Dictionary<string, long> sizes) => (_text, _sizes) = (text, sizes);

    /// <summary>The size of a letter.</summary>
    /// <param name="letter">Which.</param>
    /// <exception cref="DynConvException">It has none.</exception>
    public long this[string letter] => _sizes.TryGetValue(letter, out long size)
        ? size
        : throw new DynConvException($"There is no size of {letter}{(_text.Length > 0 ? $" among {_text}" : "")}.");

    /// <summary>Reads letters and sizes.</summary>
    /// <param name="text">Pairs with spaces between them.</param>
    public static OpSizes Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var sizes = new Dictionary<string, long>();
        foreach (string pair in text.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            string[] parts = pair.Split('=');
            bool isPair = parts.Length == 2 && parts[0].Length > 0 && parts[1].Length > 0 && parts[1].All(char.IsAsciiDigit);
            if (!isPair)
            {
                throw new DynConvException($"Sizes are written as in B=4 T=4096, not as {pair}.");
            }

            if (!long.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out long size) || size > Largest)
            {
                throw new DynConvException($"{pair}: sizes go up to {Largest}.");
            }

            if (!sizes.TryAdd(parts[0], size))
            {
                throw new DynConvException($"{parts[0]} has two sizes in {text}.");
            }
        }

        return new OpSizes(text, sizes);
    }

    /// <summary>The dimensions of a tensor.</summary>
    /// <param name="tensor">Which.</param>
    public Shape ShapeOf(OpTensor tensor) => [.. Dimensions(tensor)];

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

    /// <summary>How many elements a tensor has, also where that is more than a shape can count.</summary>
    /// <param name="tensor">Which.</param>
    public double Elements(OpTensor tensor) => Dimensions(tensor).Aggregate(1.0, static (product, size) => product * size);

    /// <summary>The letters.</summary>
    public IReadOnlyCollection<string> Letters => _sizes.Keys;

    /// <summary>As they were written.</summary>
    public override string ToString() => _text;

    private IEnumerable<long> Dimensions(OpTensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        return tensor.Dimensions.Trim('[', ']').Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Select(Evaluate);
    }

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
