using DynConv.Modules;
using DynConv.Ops;
using DynConv.Training.Data;

namespace DynConv.Experiments.Recall;

/// <summary>
/// The sequences of a task, made when they are asked for: the one with number n depends on task, seed, split and n alone.
/// </summary>
/// <remarks>
/// A hash of a sequence's tokens decides which split it belongs to, whatever the seed: a sixteenth of all that there can
/// be are for tests and as many for validation. What is drawn for one split and belongs to another is drawn again. So
/// nothing that a model is tested on can have been in its training.
/// </remarks>
/// <param name="task">Says what a sequence is.</param>
/// <param name="seed">Streams of different seeds are unrelated.</param>
/// <param name="split">Which sequences.</param>
public sealed class RecallSequences(IRecallTask task, ulong seed, RecallSplit split)
{
    private const ulong HashParts = 16;

    // A task with so few sequences that a split has none would be drawn for ever.
    private const int MostDraws = 10_000;

    private readonly RandomSource _streams = new RandomSource(seed).Fork($"recall.{task.Name}.{split}");

    /// <summary>Makes a sequence.</summary>
    /// <param name="number">Which one, from 0.</param>
    /// <param name="pairs">Keys with their values.</param>
    /// <param name="tokens">Filled; as many as the task's length for these pairs.</param>
    /// <param name="targets">Filled: values where keys are asked for, elsewhere <see cref="CrossEntropy.DefaultIgnoreIndex"/>.</param>
    public void Fill(long number, int pairs, Span<int> tokens, Span<int> targets)
    {
        RandomSource random = _streams.Fork($"{pairs}.{number}");
        for (int draw = 0; draw < MostDraws; draw++)
        {
            targets.Fill(CrossEntropy.DefaultIgnoreIndex);
            task.Fill(random, pairs, tokens, targets);
            if (SplitOf(tokens) == split)
            {
                return;
            }
        }

        throw new DynConvException($"{task.Name} has too few different sequences of {pairs} pairs to keep some for tests; more symbols or values make more.");
    }

    /// <summary>The split that a sequence belongs to.</summary>
    /// <param name="tokens">A whole sequence.</param>
    public static RecallSplit SplitOf(ReadOnlySpan<int> tokens)
    {
        ulong hash = (ulong)tokens.Length;
        foreach (int token in tokens)
        {
            hash = RandomPermutation.Mix(hash ^ (ulong)token);
        }

        return (hash % HashParts) switch
        {
            0 => RecallSplit.Test,
            1 => RecallSplit.Validation,
            _ => RecallSplit.Train,
        };
    }
}
