using DynConv.Modules;

namespace DynConv.Experiments.Recall;

/// <summary>What the tasks draw.</summary>
internal static class RandomDraws
{
    /// <summary>Uniform in [0, <paramref name="count"/>).</summary>
    public static int Below(this RandomSource random, int count) => (int)(random.NextDouble() * count);

    /// <summary>Numbers from [0, <paramref name="count"/>), all different, in random order.</summary>
    public static int[] Distinct(this RandomSource random, int count, int wanted)
    {
        int[] numbers = [.. Enumerable.Range(0, count)];
        for (int i = 0; i < wanted; i++)
        {
            int other = i + random.Below(count - i);
            (numbers[i], numbers[other]) = (numbers[other], numbers[i]);
        }

        return numbers[..wanted];
    }

    /// <summary>The numbers in [0, <paramref name="count"/>) in random order.</summary>
    public static int[] Order(this RandomSource random, int count) => random.Distinct(count, count);
}
