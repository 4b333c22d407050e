namespace DynConv.Training;

/// <summary>Finds what a misspelt name was meant to be.</summary>
internal static class NearestName
{
    /// <summary>The known name that takes the fewest letters to change, drop, add or swap; null if none is near.</summary>
    public static string? Of(string name, IEnumerable<string> known)
    {
        const int Longest = 64;
        if (name.Length > Longest)
        {
            return null;
        }

        string plain = Plain(name);
        int most = Math.Max(1, plain.Length / 3);
        return known
            .Select(other => (Name: other, Distance: Distance(plain, Plain(other))))
            .Where(candidate => candidate.Distance <= most)
            .OrderBy(candidate => candidate.Distance)
            .FirstOrDefault().Name;
    }

    // LearningRate, learning-rate and learning_rate are the same word to those who write them.
    private static string Plain(string name) =>
        string.Concat(name.Where(static letter => letter is not ('_' or '-' or ' '))).ToLowerInvariant();

    private static int Distance(string a, string b)
    {
        var distance = new int[a.Length + 1, b.Length + 1];
        for (int i = 0; i <= a.Length; i++)
        {
            for (int j = 0; j <= b.Length; j++)
            {
                distance[i, j] = i == 0 ? j : j == 0 ? i : Math.Min(
                    Math.Min(distance[i - 1, j], distance[i, j - 1]) + 1,
                    distance[i - 1, j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1));
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                {
                    distance[i, j] = Math.Min(distance[i, j], distance[i - 2, j - 2] + 1);
                }
            }
        }

        return distance[a.Length, b.Length];
    }
}
