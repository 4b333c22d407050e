namespace DynConv.Models.Tokenizers;

/// <summary>Between which symbols no token reaches, so that a long piece can be merged in parts.</summary>
internal sealed class BpeSeams
{
    private readonly HashSet<long>? _joined = [];

    public BpeSeams(BpeVocabulary vocabulary)
    {
        // Every token that merges make has to have one first and one last symbol, however it is made.
        var ends = new Dictionary<int, (int First, int Last)>();
        (int Left, int Right, int Id)[] merges = [.. vocabulary.Merges];
        HashSet<int> made = [.. merges.Select(static merge => merge.Id)];
        Dictionary<int, (int Left, int Right)> ways = [];
        foreach ((int left, int right, int id) in merges)
        {
            ways.TryAdd(id, (left, right));
        }

        foreach ((int left, int right, int id) in merges)
        {
            if (Ends(left, 0) is not { } leftEnds || Ends(right, 0) is not { } rightEnds
                || Ends(id, 0) is not { } whole || whole != (leftEnds.First, rightEnds.Last))
            {
                _joined = null;
                return;
            }

            _joined.Add(BpeVocabulary.Key(leftEnds.Last, rightEnds.First));
        }

        (int First, int Last)? Ends(int id, int depth)
        {
            if (ends.TryGetValue(id, out (int, int) known))
            {
                return known;
            }

            if (depth > 500)
            {
                return null;
            }

            if (!made.Contains(id))
            {
                return ends[id] = (id, id);
            }

            (int left, int right) = ways[id];
            return Ends(left, depth + 1) is { } first && Ends(right, depth + 1) is { } last
                ? ends[id] = (first.First, last.Last)
                : null;
        }
    }

    /// <summary>Whether these neighbours belong to different tokens whatever is around them.</summary>
    public bool IsSeam(int left, int right) => _joined is not null && !_joined.Contains(BpeVocabulary.Key(left, right));
}
