using DynConv.Ops;

namespace DynConv.Experiments.Recall;

/// <summary>Sequences for people to read.</summary>
public static class RecallExamples
{
    /// <summary>The first training sequences of seed 0, each on a line: a token that asks is followed by an arrow and the answer.</summary>
    /// <param name="task">The task.</param>
    /// <param name="pairs">Keys with their values.</param>
    /// <param name="count">How many lines.</param>
    public static IReadOnlyList<string> Lines(IRecallTask task, int pairs, int count)
    {
        var batch = RecallBatch.Draw(new RecallSequences(task, seed: 0, RecallSplit.Train), 0, count, pairs, task.Length(pairs));
        return [.. batch.Tokens
            .Select((token, i) => batch.Targets[i] == CrossEntropy.DefaultIgnoreIndex
                ? task.Spell(token)
                : $"{task.Spell(token)}→{task.Spell(batch.Targets[i])}")
            .Chunk(batch.Length)
            .Select(words => string.Join(' ', words))];
    }
}
