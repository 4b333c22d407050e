using DynConv.Modules;

namespace DynConv.Experiments.Recall;

/// <summary>
/// Multi-query associative recall (Arora et al., "Zoology", 2023): <c>k1 v1 k2 v2 … · k2 · · k1 …</c>. A key is one
/// token, so a convolution has nothing to compose: what it can do is bring the key beside its value.
/// </summary>
/// <remarks>
/// After the pairs come slots of two tokens. Each key stands in the first token of one of them; slot i (from 1) is drawn
/// with weight a·i^(a-1), a being <see cref="Power"/>, without replacement, so that most keys are asked for soon after
/// the pairs and some much later. Keys are different from each other, and so are values. The answer is never written.
/// </remarks>
public sealed record Mqar : IRecallTask
{
    /// <inheritdoc/>
    public string Name => "mqar";

    /// <inheritdoc/>
    public string Summary => "keys of one token, asked for at power-law distances";

    /// <summary>Keys that there are.</summary>
    public int Keys { get; init; } = 32;

    /// <summary>Values that there are.</summary>
    public int Values { get; init; } = 32;

    /// <summary>Tokens of a sequence, even.</summary>
    public int Tokens { get; init; } = 64;

    /// <summary>The exponent a of the power law; 1 makes all slots alike.</summary>
    public double Power { get; init; } = 0.01;

    /// <summary>Whether the places without a key hold random tokens instead of the filler.</summary>
    public bool RandomFiller { get; init; }

    /// <inheritdoc/>
    public int VocabularySize => 1 + Keys + Values;

    /// <inheritdoc/>
    public int MostPairs => Math.Min(Tokens / 4, Math.Min(Keys, Values));

    /// <inheritdoc/>
    public int Length(int pairs) => Tokens;

    /// <inheritdoc/>
    public void Fill(RandomSource random, int pairs, Span<int> tokens, Span<int> targets)
    {
        int[] keys = random.Distinct(Keys, pairs);
        int[] values = random.Distinct(Values, pairs);
        for (int i = 0; i < tokens.Length; i++)
        {
            tokens[i] = RandomFiller && i >= 2 * pairs ? random.Below(VocabularySize) : 0;
        }

        int[] slots = Slots(random, (Tokens / 2) - pairs);
        for (int pair = 0; pair < pairs; pair++)
        {
            int query = 2 * (pairs + slots[pair]);
            tokens[2 * pair] = tokens[query] = 1 + keys[pair];
            tokens[(2 * pair) + 1] = targets[query] = 1 + Keys + values[pair];
        }
    }

    /// <inheritdoc/>
    public string Spell(int token) => token == 0 ? "·" : token <= Keys ? $"k{token}" : $"v{token - Keys}";

    // The smallest of exponential times with rates w is a draw with weights w, the next one a draw without replacement.
    private int[] Slots(RandomSource random, int count)
    {
        int[] slots = [.. Enumerable.Range(0, count)];
        double[] times = [.. slots.Select(slot => -Math.Log(1 - random.NextDouble()) / Math.Pow(slot + 1, Power - 1))];
        Array.Sort(times, slots);
        return slots;
    }
}
