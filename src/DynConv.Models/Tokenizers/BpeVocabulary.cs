using System.Collections.Frozen;

namespace DynConv.Models.Tokenizers;

/// <summary>The tokens and merges of BPE, checked for contradictions.</summary>
internal sealed class BpeVocabulary
{
    /// <summary>Ids are below this.</summary>
    public const int MostIds = 1 << 22;

    // The names under which vocabularies keep the token between documents, in the order of preference.
    private static readonly string[] EndOfTextNames = [AddedToken.EndOfText, "<|end_of_text|>", "</s>"];

    private readonly FrozenDictionary<long, Merge> _merges;
    private readonly string?[] _names;

    /// <summary>Checks and indexes a vocabulary.</summary>
    /// <param name="ids">The id of each token.</param>
    /// <param name="mergePairs">Pairs of tokens, the first to merge first; of a pair that is there twice the later place counts.</param>
    /// <param name="added">
    /// Added tokens. Their ids are those of <paramref name="ids"/>, or the next ones from the number of these on, as in
    /// Hugging Face's library, whatever the file says.
    /// </param>
    /// <param name="prefix">What tokens that continue a word begin with; a merge drops it from its right token.</param>
    /// <exception cref="DynConvException">They contradict each other; the message does not name the file.</exception>
    public BpeVocabulary(
        IReadOnlyDictionary<string, int> ids,
        IReadOnlyList<(string Left, string Right)> mergePairs,
        IReadOnlyList<AddedToken> added,
        string prefix = "")
    {
        Ids = ids;
        MergePairs = mergePairs;
        Added = Number(ids, added);
        _names = IndexNames(ids, Added);
        _merges = IndexMerges(ids, mergePairs, prefix);
        EndOfTextId = EndOfTextNames
            .Select(name => Added.FirstOrDefault(token => token.Content == name)?.Id)
            .FirstOrDefault(id => id is not null);
    }

    /// <summary>Ids of the tokens that are not only added.</summary>
    public IReadOnlyDictionary<string, int> Ids { get; }

    /// <summary>The merges as tokens, the first to merge first.</summary>
    public IReadOnlyList<(string Left, string Right)> MergePairs { get; }

    /// <summary>What the merges do, by the key of their pair.</summary>
    public IEnumerable<(int Left, int Right, int Id)> Merges =>
        _merges.Select(static merge => ((int)(merge.Key >> 32), (int)merge.Key, merge.Value.Id));

    /// <summary>The added tokens with their ids.</summary>
    public IReadOnlyList<AddedToken> Added { get; }

    /// <summary>The id between documents.</summary>
    public int? EndOfTextId { get; }

    /// <summary>The largest id and one.</summary>
    public int Count => _names.Length;

    /// <summary>Whether two neighbours merge, in which order among all merges, and into what.</summary>
    public bool TryMerge(int left, int right, out Merge merge) => _merges.TryGetValue(Key(left, right), out merge);

    /// <summary>A token as files spell it; null if no token has the id.</summary>
    public string? FindName(int id) => (uint)id < (uint)_names.Length ? _names[id] : null;

    /// <summary>What to throw for an id that is none.</summary>
    public DynConvException NoSuchToken(int id) => new((uint)id < (uint)Count
        ? $"Token id {id} is not in the vocabulary, which has no token there."
        : $"Token id {id} is not in the vocabulary: ids run from 0 to {Count - 1}.");

    /// <summary>The number that stands for a pair of ids.</summary>
    public static long Key(int left, int right) => ((long)left << 32) | (uint)right;

    /// <summary>The 256 tokens of one byte, each with the byte as its id.</summary>
    public static Dictionary<string, int> ByteTokens() =>
        Enumerable.Range(0, 256).ToDictionary(value => ByteAlphabet.ToText([(byte)value]));

    private static AddedToken[] Number(IReadOnlyDictionary<string, int> ids, IReadOnlyList<AddedToken> added)
    {
        var numbered = new Dictionary<string, AddedToken>();
        int next = ids.Count;
        foreach (AddedToken token in added.Where(static token => token.Content.Length > 0))
        {
            int id = numbered.TryGetValue(token.Content, out AddedToken? earlier) ? earlier.Id
                : ids.TryGetValue(token.Content, out int known) ? known
                : next++;
            numbered[token.Content] = token with { Id = id };
        }

        return [.. numbered.Values];
    }

    private static string?[] IndexNames(IReadOnlyDictionary<string, int> ids, IReadOnlyList<AddedToken> added)
    {
        int last = ids.Values.Concat(added.Select(static token => token.Id)).DefaultIfEmpty(-1).Max();
        if (last < 0)
        {
            throw new DynConvException("there are no tokens");
        }

        if (last >= MostIds)
        {
            throw new DynConvException($"the id {last} is too large: at most {MostIds - 1} is supported");
        }

        string?[] names = new string?[last + 1];
        foreach ((string token, int id) in ids)
        {
            if (names[id] is string other)
            {
                throw new DynConvException($"tokens '{JsonPlace.Cut(other)}' and '{JsonPlace.Cut(token)}' have the same id {id}");
            }

            names[id] = token;
        }

        foreach (AddedToken token in added)
        {
            names[token.Id] = token.Content;
        }

        return names;
    }

    private static FrozenDictionary<long, Merge> IndexMerges(
        IReadOnlyDictionary<string, int> ids,
        IReadOnlyList<(string Left, string Right)> pairs,
        string prefix)
    {
        var merges = new Dictionary<long, Merge>(pairs.Count);
        for (int rank = 0; rank < pairs.Count; rank++)
        {
            (string left, string right) = pairs[rank];
            long key = Key(Find(left), Find(right));
            if (prefix.Length > 0 && !right.StartsWith(prefix, StringComparison.Ordinal))
            {
                throw new DynConvException($"the right token of merge {rank} '{JsonPlace.Cut(left)} {JsonPlace.Cut(right)}' does not begin with '{JsonPlace.Cut(prefix)}'");
            }

            merges[key] = new Merge(rank, Find(left + right[prefix.Length..]));

            int Find(string token) => ids.TryGetValue(token, out int id)
                ? id
                : throw new DynConvException(
                    $"merge {rank} '{JsonPlace.Cut(left)} {JsonPlace.Cut(right)}' needs the token '{JsonPlace.Cut(token)}', which the vocabulary lacks");
        }

        return merges.ToFrozenDictionary();
    }

    /// <summary>What two neighbours become.</summary>
    /// <param name="Rank">Lower ranks merge first.</param>
    /// <param name="Id">The token that they become.</param>
    public readonly record struct Merge(int Rank, int Id);
}
