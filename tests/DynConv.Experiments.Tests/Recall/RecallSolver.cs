namespace DynConv.Experiments.Tests.Recall;

/// <summary>Answers the questions of a sequence from its words alone, as a person would; knows nothing of how it was made.</summary>
internal static class RecallSolver
{
    /// <summary>The place of each question and its answer.</summary>
    public static Dictionary<int, string> Solve(string task, string[] words) => task switch
    {
        "mqar" => SolveMqar(words),
        "ngram-recall" or "noisy-recall" => SolveSpelled(words),
        "mixed-recall" => SolveMixed(words),
        _ => throw new InvalidOperationException($"No solver for {task}: a new task needs one."),
    };

    private static Dictionary<int, string> SolveMqar(string[] words)
    {
        var values = new Dictionary<string, string>();
        var answers = new Dictionary<int, string>();
        for (int i = 0; i < words.Length; i++)
        {
            if (!words[i].StartsWith('k'))
            {
                continue;
            }

            if (values.TryGetValue(words[i], out string? value))
            {
                answers.Add(i, value);
            }
            else
            {
                values.Add(words[i], words[i + 1]);
            }
        }

        return answers;
    }

    // Every key takes as many places as the first, noise included.
    private static Dictionary<int, string> SolveSpelled(string[] words)
    {
        int places = Array.FindIndex(words, IsValue);
        static string Key(IEnumerable<string> spelled) => string.Join(' ', spelled.Where(word => !word.StartsWith('x')));
        int pairs = words.Count(IsValue);
        var values = words[..(pairs * (places + 1))].Chunk(places + 1).ToDictionary(pair => Key(pair[..places]), pair => pair[places]);
        int start = pairs * (places + 1);
        return words[start..].Chunk(places).Select((key, i) => (At: start + ((i + 1) * places) - 1, Value: values[Key(key)])).ToDictionary(found => found.At, found => found.Value);
    }

    private static Dictionary<int, string> SolveMixed(string[] words)
    {
        var values = new Dictionary<string, string>();
        var answers = new Dictionary<int, string>();
        for (int i = 0; i < words.Length; i++)
        {
            if (!words[i].StartsWith('['))
            {
                continue;
            }

            string key = words[i] + string.Join(' ', words[i].Trim('[', ']').Split('+').Select(back => words[i - int.Parse(back)]));
            if (i + 1 < words.Length && IsValue(words[i + 1]))
            {
                values.Add(key, words[i + 1]);
            }
            else
            {
                answers.Add(i, values[key]);
            }
        }

        return answers;
    }

    private static bool IsValue(string word) => word.StartsWith('v');
}
