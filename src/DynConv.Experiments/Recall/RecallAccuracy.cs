using DynConv.Models;
using DynConv.Ops;

namespace DynConv.Experiments.Recall;

/// <summary>Counts how many values a model recalls.</summary>
public static class RecallAccuracy
{
    private const int TokensAtOnce = 4096;

    /// <summary>The share of keys whose value gets the highest score of all tokens.</summary>
    /// <param name="model">The model.</param>
    /// <param name="stream">Where the sequences come from.</param>
    /// <param name="length">Tokens of a sequence.</param>
    /// <param name="pairs">Keys in a sequence.</param>
    /// <param name="sequences">How many sequences to look at, from number 0 on.</param>
    public static double Measure(LanguageModel model, RecallSequences stream, int length, int pairs, int sequences)
    {
        int atOnce = Math.Max(1, TokensAtOnce / length);
        long right = 0;
        long asked = 0;
        for (int first = 0; first < sequences; first += atOnce)
        {
            using var scope = new TensorScope();
            var batch = RecallBatch.Draw(stream, first, Math.Min(atOnce, sequences - first), pairs, length);
            Tensor logits = model.Forward(batch.Ids(model.Device));
            int vocabulary = model.Configuration.VocabularySize;
            float[] scores = logits.ToArray<float>();
            for (int i = 0; i < batch.Targets.Length; i++)
            {
                if (batch.Targets[i] != CrossEntropy.DefaultIgnoreIndex)
                {
                    ReadOnlySpan<float> row = scores.AsSpan(i * vocabulary, vocabulary);
                    asked++;
                    right += Largest(row) == batch.Targets[i] ? 1 : 0;
                }
            }
        }

        return (double)right / asked;
    }

    private static int Largest(ReadOnlySpan<float> row)
    {
        int best = 0;
        for (int i = 1; i < row.Length; i++)
        {
            best = row[i] > row[best] ? i : best;
        }

        return best;
    }
}
