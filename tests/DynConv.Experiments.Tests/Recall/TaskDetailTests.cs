using DynConv.Ops;
using DynConv.Experiments.Recall;

namespace DynConv.Experiments.Tests.Recall;

/// <summary>What is special about single tasks.</summary>
public sealed class TaskDetailTests
{
    [Fact]
    public void Keys_of_mqar_are_asked_for_at_distances_of_the_power_law()
    {
        // One pair leaves 28 slots of two tokens. Shares of slot i: i^-0.99 over the sum of all.
        const int Draws = 20_000;
        var counts = new double[28];
        foreach ((_, int[] targets) in RecallTaskTests.Draw(new Mqar { Tokens = 58, Power = 0.01 }, RecallSplit.Train, seed: 0, pairs: 1, Draws))
        {
            counts[(Array.FindIndex(targets, target => target != CrossEntropy.DefaultIgnoreIndex) - 2) / 2] += 1.0 / Draws;
        }

        // Five standard deviations of the largest share are 0.016.
        Assert.Equal(0.251, counts[0], 0.016);
        Assert.Equal(0.126, counts[1], 0.012);
        Assert.Equal(0.085, counts[2], 0.010);
        Assert.Equal(0.688, counts[..8].Sum(), 0.017);
        Assert.Equal(0.0093, counts[^1], 0.0035);
    }

    [Fact]
    public void A_power_of_one_makes_all_distances_alike()
    {
        var counts = new int[28];
        foreach ((_, int[] targets) in RecallTaskTests.Draw(new Mqar { Tokens = 58, Power = 1 }, RecallSplit.Train, seed: 0, pairs: 1, 14_000))
        {
            counts[(Array.FindIndex(targets, target => target != CrossEntropy.DefaultIgnoreIndex) - 2) / 2]++;
        }

        Assert.All(counts, count => Assert.InRange(count, 500 - 112, 500 + 112));
    }

    [Fact]
    public void Random_filler_of_mqar_leaves_pairs_and_questions_alone()
    {
        var task = new Mqar { RandomFiller = true };
        foreach ((int[] tokens, int[] targets) in RecallTaskTests.Draw(task, RecallSplit.Train, seed: 0, pairs: 4))
        {
            Dictionary<int, int> values = Enumerable.Range(0, 4).ToDictionary(pair => tokens[2 * pair], pair => tokens[(2 * pair) + 1]);
            int[] asked = [.. Enumerable.Range(0, tokens.Length).Where(i => targets[i] != CrossEntropy.DefaultIgnoreIndex)];
            Assert.Equal(values.Keys.Order(), asked.Select(i => tokens[i]).Order());
            Assert.All(asked, i => Assert.Equal(values[tokens[i]], targets[i]));
            Assert.True(tokens.Count(token => token == 0) < 10);
        }
    }

    /// <summary>
    /// The best that a comparison with a fixed weight for each place can do: what a static filter, by itself, amounts to.
    /// </summary>
    [Fact]
    public void No_weights_of_the_places_find_the_keys_of_mixed_recall()
    {
        double best = 0;
        double[] grid = [0, 0.25, 0.5, 1];
        foreach (double[] weights in from a in grid from b in grid from c in grid where a + b + c > 0 select (double[])[a, b, c])
        {
            best = Math.Max(best, ShareFound((question, key, place, _) => question == key ? weights[place] : 0));
        }

        // With weights a > b > c: one of three single places, and three of six in pairs of places, is 5 of 12. A wrong
        // pair has the right value once in 16 times, and 1,200 questions leave some room to chance.
        Assert.InRange(best, 0.35, (5 / 12.0) + (7 / 12.0 / 16) + 0.04);
        Assert.Equal(1, ShareFound((question, key, place, counts) => question == key && counts ? 1 : 0));
    }

    // A question is found if the pair with the highest score, alone at the top, has its selector and its answer.
    private static double ShareFound(Func<string, string, int, bool, double> score)
    {
        const int Pairs = 8;
        var task = new MixedRecall();
        int found = 0;
        int asked = 0;
        foreach ((int[] tokens, int[] targets) in RecallTaskTests.Draw(task, RecallSplit.Train, seed: 0, Pairs, count: 150))
        {
            string[] words = [.. tokens.Select(task.Spell)];
            string[][] pairs = [.. words[..(5 * Pairs)].Chunk(5)];
            foreach (int at in Enumerable.Range(0, words.Length).Where(i => targets[i] != CrossEntropy.DefaultIgnoreIndex))
            {
                double Score(string[] pair) => pair[3] != words[at]
                    ? -1
                    : Enumerable.Range(0, 3).Sum(place => score(words[at - 1 - place], pair[2 - place], place, words[at].Contains($"{place + 1}")));
                (double Score, string Value)[] ranked = [.. pairs.Select(pair => (Score(pair), pair[4])).OrderByDescending(pair => pair.Item1)];
                asked++;
                found += ranked[0].Value == task.Spell(targets[at]) && ranked[0].Score > ranked[1].Score ? 1 : 0;
            }
        }

        return (double)found / asked;
    }
}
