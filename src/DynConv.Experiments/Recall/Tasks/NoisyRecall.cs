using DynConv.Modules;

namespace DynConv.Experiments.Recall;

/// <summary>
/// As <see cref="NgramRecall"/>, with tokens inside the keys that mean nothing: <c>a1 x4 a2 v1 x2 a1 a3 v2 … a1 a3 x1
/// …</c>.
/// </summary>
/// <remarks>
/// A key takes <see cref="KeyTokens"/> + <see cref="Noise"/> places; which of them hold noise, and which noise, is drawn
/// anew each time that the key is written. The value stands after the last place, and is the target of the last place
/// where the key is asked for.
/// </remarks>
public sealed record NoisyRecall : IRecallTask
{
    /// <inheritdoc/>
    public string Name => "noisy-recall";

    /// <inheritdoc/>
    public string Summary => $"keys of {KeyTokens} tokens with {Noise} that mean nothing in random places among them";

    /// <summary>Tokens that keys are made of.</summary>
    public int Symbols { get; init; } = 8;

    /// <summary>Tokens of a key that count.</summary>
    public int KeyTokens { get; init; } = 2;

    /// <summary>Tokens of a key that do not.</summary>
    public int Noise { get; init; } = 1;

    /// <summary>Different tokens that mean nothing.</summary>
    public int NoiseSymbols { get; init; } = 8;

    /// <summary>Values that there are.</summary>
    public int Values { get; init; } = 16;

    /// <inheritdoc/>
    public int VocabularySize => Symbols + NoiseSymbols + Values;

    /// <inheritdoc/>
    public int MostPairs => (int)Math.Min(64, Math.Pow(Symbols, KeyTokens));

    /// <inheritdoc/>
    public int Length(int pairs) => pairs * ((2 * (KeyTokens + Noise)) + 1);

    /// <inheritdoc/>
    public void Fill(RandomSource random, int pairs, Span<int> tokens, Span<int> targets)
    {
        int[] keys = random.Distinct((int)Math.Pow(Symbols, KeyTokens), pairs);
        int[] values = [.. keys.Select(_ => Symbols + NoiseSymbols + random.Below(Values))];
        int at = 0;
        for (int pair = 0; pair < pairs; pair++)
        {
            at = Write(random, keys[pair], tokens, at);
            tokens[at++] = values[pair];
        }

        foreach (int pair in random.Order(pairs))
        {
            at = Write(random, keys[pair], tokens, at);
            targets[at - 1] = values[pair];
        }
    }

    /// <inheritdoc/>
    public string Spell(int token) => token < Symbols ? $"a{token + 1}"
        : token - Symbols < NoiseSymbols ? $"x{token - Symbols + 1}"
        : $"v{token - Symbols - NoiseSymbols + 1}";

    private int Write(RandomSource random, int key, Span<int> tokens, int at)
    {
        int places = KeyTokens + Noise;
        int[] noisy = random.Distinct(places, Noise);
        for (int place = 0; place < places; place++)
        {
            if (noisy.Contains(place))
            {
                tokens[at + place] = Symbols + random.Below(NoiseSymbols);
            }
            else
            {
                tokens[at + place] = key % Symbols;
                key /= Symbols;
            }
        }

        return at + places;
    }
}
