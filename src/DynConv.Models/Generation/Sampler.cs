using DynConv.Modules;

namespace DynConv.Models.Generation;

/// <summary>Chooses tokens from scores; holds the random numbers of one text.</summary>
/// <param name="options">How to choose.</param>
/// <param name="never">Ids that are not chosen, whatever their scores.</param>
public sealed class Sampler(SamplingOptions options, IReadOnlyList<int>? never = null)
{
    private readonly SamplingOptions _options = options.Validate();
    private readonly RandomSource _random = new(options.Seed);

    /// <summary>Chooses one token id.</summary>
    /// <param name="logits">A score for each id. Of equal scores the lowest id counts as the likeliest.</param>
    /// <exception cref="DynConvException">A score is not a number, or no id can be chosen.</exception>
    public int Choose(ReadOnlySpan<float> logits) => Choose(logits, []);

    /// <summary>Chooses one token id.</summary>
    /// <param name="logits">A score for each id. Of equal scores the lowest id counts as the likeliest.</param>
    /// <param name="seen">Ids of the text so far, for the repetition penalty; each counts once.</param>
    /// <exception cref="DynConvException">A score is not a number, or no id can be chosen.</exception>
    public int Choose(ReadOnlySpan<float> logits, IEnumerable<int> seen)
    {
        Check(logits);
        float[] scores = logits.ToArray();
        Penalize(scores, seen);
        foreach (int id in never ?? [])
        {
            scores[id] = float.NegativeInfinity;
        }

        int likeliest = IndexOfMax(scores);
        return _options.Temperature == 0 ? likeliest : Draw(scores, likeliest);
    }

    private int Draw(float[] scores, int likeliest)
    {
        var probabilities = new double[scores.Length];
        for (int i = 0; i < probabilities.Length; i++)
        {
            probabilities[i] = Math.Exp((scores[i] - scores[likeliest]) / _options.Temperature);
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

    private static void Check(ReadOnlySpan<float> logits)
    {
        for (int i = 0; i < logits.Length; i++)
        {
            if (float.IsNaN(logits[i]) || float.IsPositiveInfinity(logits[i]))
            {
                throw new DynConvException(
                    $"The model scores token {i} with {logits[i]}: its weights are damaged, or its training has diverged.");
            }
        }
    }

    private void Penalize(float[] scores, IEnumerable<int> seen)
    {
        if (_options.RepetitionPenalty == 1)
        {
            return;
        }

        foreach (int id in seen.Distinct())
        {
            double changed = scores[id] < 0 ? scores[id] * _options.RepetitionPenalty : scores[id] / _options.RepetitionPenalty;
            scores[id] = (float)Math.Clamp(changed, float.MinValue, float.MaxValue);
        }
    }

    private static int IndexOfMax(float[] scores)
    {
        int best = 0;
        for (int i = 1; i < scores.Length; i++)
        {
            if (scores[i] > scores[best])
            {
                best = i;
            }
        }

        return scores[best] > float.NegativeInfinity
            ? best
            : throw new DynConvException("The model gives no token that can be chosen a score above minus infinity.");
    }

    /// <summary>The ids that may be chosen; likeliest first unless all may.</summary>
    private int[] Candidates(double[] probabilities)
    {
        // What rounding leaves at the end of the draw falls to the last one: it must not be one without a probability.
        int[] ids = [.. Enumerable.Range(0, probabilities.Length).Where(id => probabilities[id] > 0)];
        if (_options is not { TopK: 0, TopP: 1 })
        {
            ids = Likeliest(ids, probabilities);
        }

        // The largest probability is 1 here, before they are made to add up to 1.
        return _options.MinP > 0 ? [.. ids.Where(id => probabilities[id] >= _options.MinP)] : ids;
    }

    private int[] Likeliest(int[] ids, double[] probabilities)
    {
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
