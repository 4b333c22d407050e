using DynConv.Ops;
using DynConv.Experiments.Recall;

namespace DynConv.Experiments.Tests.Recall;

/// <summary>What holds for every task.</summary>
public sealed class RecallTaskTests
{
    private const int Sequences = 200;

    public static TheoryData<string, int> Cases
    {
        get
        {
            var cases = new TheoryData<string, int>();
            foreach (IRecallTask task in RecallTasks.All)
            {
                foreach (int pairs in (int[])[1, 2, 3, 8, Math.Min(16, task.MostPairs)])
                {
                    cases.Add(task.Name, pairs);
                }
            }

            return cases;
        }
    }

    public static TheoryData<string> Names => [.. RecallTasks.All.Select(task => task.Name)];

    [Fact]
    public void The_tasks_are_found_by_themselves() =>
        Assert.Equal(["mixed-recall", "mqar", "ngram-recall", "noisy-recall"], RecallTasks.All.Select(task => task.Name));

    [Theory]
    [MemberData(nameof(Cases))]
    public void A_solver_that_reads_the_words_finds_the_same_answers_at_the_same_places(string name, int pairs)
    {
        IRecallTask task = RecallTasks.Get(name);
        foreach ((int[] tokens, int[] targets) in Draw(task, RecallSplit.Train, seed: 3, pairs))
        {
            Dictionary<int, string> answers = RecallSolver.Solve(name, [.. tokens.Select(task.Spell)]);
            int[] asked = [.. Enumerable.Range(0, targets.Length).Where(i => targets[i] != CrossEntropy.DefaultIgnoreIndex)];
            Assert.Equal(pairs, asked.Length);
            Assert.Equal(answers.Keys.Order(), asked);
            Assert.All(asked, i => Assert.Equal(answers[i], task.Spell(targets[i])));
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Each_token_has_a_spelling_of_its_own_and_none_is_beyond_the_vocabulary(string name)
    {
        IRecallTask task = RecallTasks.Get(name);
        Assert.Equal(task.VocabularySize, Enumerable.Range(0, task.VocabularySize).Select(task.Spell).Distinct().Count());
        var seen = new HashSet<int>();
        foreach ((int[] tokens, int[] targets) in Draw(task, RecallSplit.Train, seed: 0, pairs: 8))
        {
            Assert.All(tokens, token => Assert.InRange(token, 0, task.VocabularySize - 1));
            seen.UnionWith(tokens);
        }

        Assert.Equal(task.VocabularySize, seen.Count);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_sequence_depends_on_seed_split_and_number_alone(string name)
    {
        IRecallTask task = RecallTasks.Get(name);
        string[] first = Texts(task, RecallSplit.Train, seed: 5);
        Assert.Equal(first, Texts(task, RecallSplit.Train, seed: 5));
        Assert.Empty(first.Intersect(Texts(task, RecallSplit.Train, seed: 6)));

        var tokens = new int[task.Length(8)];
        var targets = new int[tokens.Length];
        new RecallSequences(task, 5, RecallSplit.Train).Fill(7, 8, tokens, targets);
        Assert.Equal(first[7], string.Join(' ', tokens));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void No_sequence_is_both_for_training_and_for_tests(string name)
    {
        IRecallTask task = RecallTasks.Get(name);
        foreach (RecallSplit split in Enum.GetValues<RecallSplit>())
        {
            Assert.All(Draw(task, split, seed: 1, pairs: 2), sequence => Assert.Equal(split, RecallSequences.SplitOf(sequence.Tokens)));
        }

        // Pairs of one token are few enough that the same sequence would come up in both, were they not kept apart.
        string[] training = Texts(task, RecallSplit.Train, seed: 1, pairs: 1, count: 2000);
        Assert.True(training.Distinct().Count() < training.Length, "Too many different sequences for this test to mean something.");
        Assert.Empty(training.Intersect(Texts(task, RecallSplit.Test, seed: 2, pairs: 1, count: 500)));
        Assert.Empty(training.Intersect(Texts(task, RecallSplit.Validation, seed: 3, pairs: 1, count: 500)));
    }

    [Fact]
    public void A_task_with_too_few_sequences_to_keep_some_apart_is_refused()
    {
        var task = new NgramRecall { Symbols = 1, KeyTokens = 1, Values = 1 };
        string[] Draw(RecallSplit split) => Texts(task, split, seed: 0, pairs: 1, count: 1);
        int refused = Enum.GetValues<RecallSplit>().Count(split => Record.Exception(() => Draw(split)) is DynConvException { Message: var message }
            && message.Contains("too few different sequences", StringComparison.Ordinal));
        Assert.Equal(2, refused);
    }

    [Fact]
    public void A_task_that_there_is_not_is_named_with_those_that_there_are()
    {
        string message = Assert.Throws<DynConvException>(() => RecallTasks.Get("copy")).Message;
        Assert.Equal("There is no task 'copy'; there are mixed-recall, mqar, ngram-recall, noisy-recall.", message);
    }

    [Fact]
    public void Examples_show_each_answer_behind_what_asks_for_it()
    {
        IReadOnlyList<string> lines = RecallExamples.Lines(new NgramRecall(), pairs: 2, count: 3);
        Assert.Equal(3, lines.Count);
        Assert.All(lines, line => Assert.Matches(@"^(a\d a\d v\d+ ){2}(a\d a\d→v\d+ ?){2}$", line));
    }

    internal static IEnumerable<(int[] Tokens, int[] Targets)> Draw(IRecallTask task, RecallSplit split, ulong seed, int pairs, int count = Sequences)
    {
        var sequences = new RecallSequences(task, seed, split);
        for (int i = 0; i < count; i++)
        {
            var tokens = new int[task.Length(pairs)];
            var targets = new int[tokens.Length];
            sequences.Fill(i, pairs, tokens, targets);
            yield return (tokens, targets);
        }
    }

    private static string[] Texts(IRecallTask task, RecallSplit split, ulong seed, int pairs = 8, int count = 50) =>
        [.. Draw(task, split, seed, pairs, count).Select(sequence => string.Join(' ', sequence.Tokens))];
}
