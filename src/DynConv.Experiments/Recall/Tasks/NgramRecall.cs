using DynConv.Modules;

namespace DynConv.Experiments.Recall;

/// <summary>
/// A key is several tokens in a row, and only all of them together tell which pair it is: <c>a1 a2 v1 a1 a3 v2 … a1 a3
/// a1 a2 …</c>.
/// </summary>
/// <remarks>
/// The keys are all different; they are made of few symbols, so that most of their parts occur in several. After the
/// pairs each key is asked for once, in random order; the value is the target of its last token and is never written.
/// </remarks>
public sealed record NgramRecall : IRecallTask
{
    /// <inheritdoc/>
    public string Name => "ngram-recall";

    /// <inheritdoc/>
    public string Summary => $"keys of {KeyTokens} tokens, each of which occurs in other keys too";

    /// <summary>Tokens that keys are made of.</summary>
    public int Symbols { get; init; } = 8;

    /// <summary>Tokens of a key.</summary>
    public int KeyTokens { get; init; } = 2;

    /// <summary>Values that there are.</summary>
    public int Values { get; init; } = 16;

    /// <inheritdoc/>
    public int VocabularySize => Symbols + Values;

    /// <inheritdoc/>
    public int MostPairs => Math.Min(64, (int)Math.Min(64, Math.Pow(Symbols, KeyTokens)));

    /// <inheritdoc/>
    public int Length(int pairs) => pairs * ((2 * KeyTokens) + 1);

    /// <inheritdoc/>
    public void Fill(RandomSource random, int pairs, Span<int> tokens, Span<int> targets)
    {
        int[] keys = random.Distinct((int)Math.Pow(Symbols, KeyTokens), pairs);
        int[] values = [.. keys.Select(_ => Symbols + random.Below(Values))];
        int at = 0;
        for (int pair = 0; pair < pairs; pair++)
        {
            at = Write(keys[pair], tokens, at);
            tokens[at++] = values[pair];
        }

        foreach (int pair in random.Order(pairs))
        {
            at = Write(keys[pair], tokens, at);
            targets[at - 1] = values[pair];
        }
    }

    /// <inheritdoc/>
    public string Spell(int token) => token < Symbols ? $"a{token + 1}" : $"v{token - Symbols + 1}";

    private int Write(int key, Span<int> tokens, int at)
    {
        for (int i = 0; i < KeyTokens; i++)
        {
            tokens[at + i] = key % Symbols;
            key /= Symbols;
        }

        return at + KeyTokens;
    }
}
