using System.Numerics;
using DynConv.Modules;

namespace DynConv.Experiments.Recall;

/// <summary>
/// How many and which of the tokens before it make up a key is said by the key's last token, the selector: <c>a3 a1 a7
/// [1+3] v1 … a3 a5 a7 [1+3] …</c>, where <c>[1+3]</c> means that the tokens one and three places before it count.
/// </summary>
/// <remarks>
/// <para>
/// Pairs come in twos with the same selector. Their keys differ in one of the tokens that count, and in all that do not.
/// Where a key is asked for, the tokens that do not count are those of the other pair of the two. So the other pair
/// agrees with the question in as many of three tokens as the right one or in more, unless all count: whoever compares
/// all tokens alike, or gives each place a weight of its own, is led astray in most cases. A filter that depends on the
/// selector leaves out what does not count.
/// </para>
/// <para>
/// The tokens that count, one after the other, are different for all pairs of a sequence. After the pairs, which stand in
/// random order, each key is asked for once, in random order; the value is the target of the selector and is never
/// written.
/// </para>
/// </remarks>
public sealed record MixedRecall : IRecallTask
{
    /// <inheritdoc/>
    public string Name => "mixed-recall";

    /// <inheritdoc/>
    public string Summary => $"which of the {Neighbours} tokens before a selector make up the key depends on the selector";

    /// <summary>Tokens that keys are made of.</summary>
    public int Symbols { get; init; } = 16;

    /// <summary>Tokens before a selector that it chooses from; a convolution of one tap more sees them all.</summary>
    public int Neighbours { get; init; } = 3;

    /// <summary>The most tokens that a selector chooses.</summary>
    public int MostChosen { get; init; } = 2;

    /// <summary>Values that there are.</summary>
    public int Values { get; init; } = 16;

    /// <inheritdoc/>
    public int VocabularySize => Symbols + Selectors.Length + Values;

    /// <inheritdoc/>
    public int MostPairs => Symbols;

    /// <summary>For each selector, a bit for each neighbour that counts; bit 0 is the token just before.</summary>
    private int[] Selectors => [.. Enumerable.Range(1, (1 << Neighbours) - 1).Where(set => BitOperations.PopCount((uint)set) <= MostChosen)];

    /// <inheritdoc/>
    public int Length(int pairs) => pairs * ((2 * Neighbours) + 3);

    /// <inheritdoc/>
    public void Fill(RandomSource random, int pairs, Span<int> tokens, Span<int> targets)
    {
        Pair[] all = Draw(random, pairs);
        int at = 0;
        foreach (int pair in random.Order(pairs))
        {
            at = Write(all[pair], all[pair].Symbols, tokens, at);
            tokens[at++] = all[pair].Value;
        }

        foreach (int pair in random.Order(pairs))
        {
            int[] other = all[(pair ^ 1) < pairs ? pair ^ 1 : pair].Symbols;
            at = Write(all[pair], [.. all[pair].Symbols.Select((symbol, place) => all[pair].Counts(place) ? symbol : other[place])], tokens, at);
            targets[at - 1] = all[pair].Value;
        }
    }

    /// <inheritdoc/>
    public string Spell(int token)
    {
        int[] selectors = Selectors;
        return token < Symbols ? $"a{token + 1}"
            : token - Symbols < selectors.Length ? $"[{string.Join('+', Enumerable.Range(0, Neighbours).Where(place => (selectors[token - Symbols] >> place & 1) != 0).Select(place => place + 1))}]"
            : $"v{token - Symbols - selectors.Length + 1}";
    }

    private Pair[] Draw(RandomSource random, int count)
    {
        int[] selectors = Selectors;
        int DrawValue() => Symbols + selectors.Length + random.Below(Values);
        var pairs = new List<Pair>(count);
        while (pairs.Count < count)
        {
            int selector = random.Below(selectors.Length);
            int[] symbols = [.. Enumerable.Range(0, Neighbours).Select(_ => random.Below(Symbols))];
            var first = new Pair(selector, selectors[selector], symbols, DrawValue());
            var second = first with { Symbols = Partner(random, first), Value = DrawValue() };
            if (!pairs.Exists(first.HasKeyOf) && !pairs.Exists(second.HasKeyOf))
            {
                pairs.AddRange(pairs.Count + 1 < count ? [first, second] : [first]);
            }
        }

        return [.. pairs];
    }

    /// <summary>Other symbols in one of the places that count and in all that do not.</summary>
    private int[] Partner(RandomSource random, Pair pair)
    {
        int[] counting = [.. Enumerable.Range(0, Neighbours).Where(pair.Counts)];
        int changed = counting[random.Below(counting.Length)];
        return [.. pair.Symbols.Select((symbol, place) => pair.Counts(place) && place != changed
            ? symbol
            : (symbol + 1 + random.Below(Symbols - 1)) % Symbols)];
    }

    private int Write(Pair pair, int[] symbols, Span<int> tokens, int at)
    {
        for (int place = Neighbours - 1; place >= 0; place--)
        {
            tokens[at++] = symbols[place];
        }

        tokens[at++] = Symbols + pair.Selector;
        return at;
    }

    private sealed record Pair(int Selector, int Chosen, int[] Symbols, int Value)
    {
        public bool Counts(int place) => (Chosen >> place & 1) != 0;

        public bool HasKeyOf(Pair other) => Key.SequenceEqual(other.Key);

        private IEnumerable<int> Key => Symbols.Where((_, place) => Counts(place));
    }
}
