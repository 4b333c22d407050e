using DynConv.Modules;

namespace DynConv.Models.Generation;

/// <summary>Chooses tokens from scores; holds the random numbers of one text.</summary>
/// <param name="options">How to choose.</param>
public sealed class Sampler(SamplingOptions options)
{
    private readonly SamplingOptions _options = options.Validate();
    private readonly RandomSource _random = new(options.Seed);

    /// <summary>Chooses one token id.</summary>
    /// <param name="logits">A score for each id. Of equal scores the lowest id counts as the likeliest.</param>
    /// <exception cref="DynConvException">A score is not a number.</exception>
    public int Choose(ReadOnlySpan<float> logits)
    {
        int likeliest = IndexOfMax(logits);
        if (_options.Temperature == 0)
        {
            return likeliest;
        }

        var probabilities = new double[logits.Length];
        for (int i = 0; i < probabilities.Length; i++)
        {
            probabilities[i] = Math.Exp((logits[i] - logits[likeliest]) / _options.Temperature);
        }

        int[] candidates = Candidates(probabilities);
        double left = _random.NextDouble() * candidates.Sum(id => probabilities[id]);
        foreach (int id in candidates)
        {
            left -= probabilities[id];
            if (left < 0)
            {
                return id;
            }
        }

        return candidates[^1];
    }

    private static int IndexOfMax(ReadOnlySpan<float> logits)
    {
        int best = 0;
        for (int i = 0; i < logits.Length; i++)
        {
            if (float.IsNaN(logits[i]) || float.IsPositiveInfinity(logits[i]))
            {
                throw new DynConvException(
                    $"The model scores token {i} with {logits[i]}: its weights are damaged, or its training has diverged.");
            }

            if (logits[i] > logits[best])
            {
                best = i;
            }
        }

        return best;
    }

    /// <summary>The ids that may be chosen; likeliest first unless all may.</summary>
    private int[] Candidates(double[] probabilities)
    {
        int[] ids = [.. Enumerable.Range(0, probabilities.Length)];
        if (_options is { TopK: 0, TopP: 1 })
        {
            return ids;
        }

        Array.Sort(ids, (a, b) => probabilities[a] == probabilities[b]
            ? a.CompareTo(b)
            : probabilities[b].CompareTo(probabilities[a]));
        int[] kept = _options.TopK == 0 ? ids : ids[..Math.Min(_options.TopK, ids.Length)];
        double wanted = _options.TopP * kept.Sum(id => probabilities[id]);
        double sum = 0;
        int count = 0;
        while (count < kept.Length && (count == 0 || sum < wanted))
        {
            sum += probabilities[kept[count++]];
        }

        return kept[..count];
    }
}
