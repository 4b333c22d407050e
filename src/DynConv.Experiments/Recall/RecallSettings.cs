using DynConv.Modules;

namespace DynConv.Experiments.Recall;

/// <summary>What a recall experiment trains, and for how long.</summary>
public sealed record RecallSettings
{
    /// <summary>Kinds of convolutions that there are, by name.</summary>
    public static IReadOnlyList<string> Kinds { get; } = ShortConvolutionKinds.NamesOrNone;

    /// <summary>The tasks.</summary>
    public IReadOnlyList<IRecallTask> Tasks { get; init; } = RecallTasks.All;

    /// <summary>The kinds of convolutions that are compared, some of <see cref="Kinds"/>.</summary>
    public IReadOnlyList<string> Convolutions { get; init; } = Kinds;

    /// <summary>
    /// Numbers of pairs: each training step takes one of them at random, and the trained model is measured on each.
    /// </summary>
    public IReadOnlyList<int> Pairs { get; init; } = [2, 4, 8];

    /// <summary>How often each kind is trained, with the seeds 0, 1, …</summary>
    public int Seeds { get; init; } = 3;

    /// <summary>Steps of a training, the same for all kinds.</summary>
    public int Steps { get; init; } = 1500;

    /// <summary>Tokens of a step, rounded down to whole sequences.</summary>
    public int TokensPerStep { get; init; } = 1152;

    /// <summary>
    /// Peak learning rates to choose from: seed 0 is trained with each, and each kind keeps the one with the best
    /// validation accuracy. A rate rises over the first tenth of the steps and falls along a cosine to zero.
    /// </summary>
    public IReadOnlyList<double> LearningRates { get; init; } = [0.003, 0.006, 0.012];

    /// <summary>AdamW's decay of matrices.</summary>
    public double WeightDecay { get; init; } = 0.1;

    /// <summary>Points of a learning curve.</summary>
    public int CurvePoints { get; init; } = 20;

    /// <summary>Keys that the final measurements ask for, for each number of pairs.</summary>
    public int TestKeys { get; init; } = 2048;

    /// <summary>The Transformer around the convolutions.</summary>
    public RecallModel Model { get; init; } = new();

    /// <summary>Throws <see cref="DynConvException"/> with one sentence if an experiment cannot be made of this.</summary>
    /// <returns>These settings.</returns>
    public RecallSettings Validate()
    {
        foreach ((string name, int value) in new[]
        {
            ("layers", Model.Layers), ("channels", Model.Channels), ("heads", Model.Heads), ("seeds", Seeds), ("steps", Steps),
            ("tokens of a step", TokensPerStep), ("curve points", CurvePoints), ("test keys", TestKeys),
        })
        {
            Require(value >= 1, $"The number of {name} is {value}; it has to be at least 1.");
        }

        Require(Tasks.Count > 0 && Convolutions.Count > 0 && Pairs.Count > 0 && LearningRates.Count > 0, "Tasks, convolutions, pairs and learning rates each need at least one.");
        Require(Convolutions.Distinct().Count() == Convolutions.Count, "A kind of convolution is there twice.");
        Require(Pairs.Distinct().Count() == Pairs.Count, "A number of pairs is there twice.");
        foreach (string conv in Convolutions)
        {
            Require(Kinds.Contains(conv), $"'{conv}' is no kind of convolution; there are {string.Join(", ", Kinds)}.");
        }

        foreach (double rate in LearningRates)
        {
            Require(rate is > 0 and <= 1, $"A learning rate is {rate}; it has to be above 0 and at most 1.");
        }

        foreach (IRecallTask task in Tasks)
        {
            foreach (int pairs in Pairs)
            {
                Require(pairs >= 1 && pairs <= task.MostPairs, $"{task.Name} has sequences of 1 to {task.MostPairs} pairs, and {pairs} are asked for.");
            }

            foreach (string conv in Convolutions)
            {
                Model.Configuration(task.VocabularySize, LongestSequence(task), conv);
            }
        }

        return this;
    }

    /// <summary>Tokens of the longest sequence of a task.</summary>
    /// <param name="task">One of <see cref="Tasks"/>.</param>
    public int LongestSequence(IRecallTask task) => Pairs.Max(task.Length);

    private static void Require(bool condition, string otherwise)
    {
        if (!condition)
        {
            throw new DynConvException(otherwise);
        }
    }
}
