using System.Collections.Frozen;
using System.Text;

namespace DynConv.Models.Tokenizers;

/// <summary>The tokens and merges of byte-level BPE, checked for contradictions.</summary>
internal sealed class BpeVocabulary
{
    // The names under which vocabularies keep the token between documents, in the order of preference.
    private static readonly string[] EndOfTextNames = [AddedToken.EndOfText, "<|end_of_text|>", "</s>"];

    private readonly FrozenDictionary<long, Merge> _merges;
    private readonly byte[][] _bytes;

    /// <summary>Checks and indexes a vocabulary.</summary>
    /// <param name="ids">The id of each token, written in <see cref="ByteAlphabet"/>.</param>
    /// <param name="mergePairs">Pairs of tokens, the first to merge first.</param>
    /// <param name="added">Added tokens; one that <paramref name="ids"/> has too keeps its id there.</param>
    /// <exception cref="DynConvException">They contradict each other; the message does not name the file.</exception>
    public BpeVocabulary(
        IReadOnlyDictionary<string, int> ids,
        IReadOnlyList<(string Left, string Right)> mergePairs,
        IReadOnlyList<AddedToken> added)
    {
        Ids = ids;
        MergePairs = mergePairs;
        Added = added;
        _bytes = IndexBytes(ids, added);
        ByteIds = FindByteIds(ids);
        _merges = IndexMerges(ids, mergePairs);
        EndOfTextId = EndOfTextNames
            .Select(name => added.FirstOrDefault(token => token.Content == name)?.Id)
            .FirstOrDefault(id => id is not null);
    }

    /// <summary>Ids of the tokens that are not only added.</summary>
    public IReadOnlyDictionary<string, int> Ids { get; }

    /// <summary>The merges as tokens, the first to merge first.</summary>
    public IReadOnlyList<(string Left, string Right)> MergePairs { get; }

    /// <summary>The added tokens.</summary>
    public IReadOnlyList<AddedToken> Added { get; }

    /// <summary>The id of each single byte.</summary>
    public IReadOnlyList<int> ByteIds { get; }

    /// <summary>The id between documents.</summary>
    public int? EndOfTextId { get; }

    /// <summary>Number of ids.</summary>
    public int Count => _bytes.Length;

    /// <summary>Whether two neighbours merge, in which order among all merges, and into what.</summary>
    public bool TryMerge(int left, int right, out Merge merge) => _merges.TryGetValue(Key(left, right), out merge);

    /// <summary>The bytes of a token.</summary>
    public byte[] Bytes(int id) => (uint)id < (uint)_bytes.Length
        ? _bytes[id]
        : throw new DynConvException($"Token id {id} is not in the vocabulary: ids run from 0 to {Count - 1}.");

    /// <summary>The number that stands for a pair of ids.</summary>
    public static long Key(int left, int right) => ((long)left << 32) | (uint)right;

    /// <summary>The 256 tokens of one byte, each with the byte as its id.</summary>
    public static Dictionary<string, int> ByteTokens() =>
        Enumerable.Range(0, 256).ToDictionary(value => ByteAlphabet.ToText([(byte)value]));

    private static byte[][] IndexBytes(IReadOnlyDictionary<string, int> ids, IReadOnlyList<AddedToken> added)
    {
        var names = new Dictionary<int, string>();
        var bytes = new Dictionary<int, byte[]>();
        foreach ((string token, int id) in ids)
        {
            if (!names.TryAdd(id, token))
            {
                throw new DynConvException($"tokens '{names[id]}' and '{token}' have the same id {id}");
            }

            bytes[id] = ByteAlphabet.TryToBytes(token, out byte[]? spelled) ? spelled : Encoding.UTF8.GetBytes(token);
        }

        foreach (AddedToken token in added)
        {
            if (ids.TryGetValue(token.Content, out int id))
            {
                if (id != token.Id)
                {
                    throw new DynConvException(
                        $"added token '{token.Content}' has id {token.Id}, but id {id} in the vocabulary");
                }
            }
            else if (!names.TryAdd(token.Id, token.Content))
            {
                throw new DynConvException(
                    $"added token '{token.Content}' has the id {token.Id} of '{names[token.Id]}'");
            }

            bytes[token.Id] = Encoding.UTF8.GetBytes(token.Content);
        }

        return InOrder(bytes);
    }

    private static byte[][] InOrder(Dictionary<int, byte[]> bytes)
    {
        byte[][] ordered = new byte[bytes.Count][];
        for (int id = 0; id < ordered.Length; id++)
        {
            ordered[id] = bytes.GetValueOrDefault(id) ?? throw new DynConvException(
                $"no token has id {id}, though there are {bytes.Count} tokens with ids up to {bytes.Keys.Max()}; "
                + "ids must have no holes");
        }

        return ordered;
    }

    private static int[] FindByteIds(IReadOnlyDictionary<string, int> ids)
    {
        int[] byteIds = new int[256];
        for (int value = 0; value < byteIds.Length; value++)
        {
            string token = ByteAlphabet.ToText([(byte)value]);
            byteIds[value] = ids.TryGetValue(token, out int id)
                ? id
                : throw new DynConvException(
                    $"the vocabulary has no token '{token}' for the byte 0x{value:X2}; "
                    + "only byte-level BPE with all 256 bytes is supported");
        }

        return byteIds;
    }

    private static FrozenDictionary<long, Merge> IndexMerges(
        IReadOnlyDictionary<string, int> ids,
        IReadOnlyList<(string Left, string Right)> pairs)
    {
        var merges = new Dictionary<long, Merge>(pairs.Count);
        for (int rank = 0; rank < pairs.Count; rank++)
        {
            (string left, string right) = pairs[rank];
            long key = Key(Find(left), Find(right));
            if (!merges.TryAdd(key, new Merge(rank, Find(left + right))))
            {
                throw new DynConvException($"merge {rank} '{left} {right}' stands there twice");
            }

            int Find(string token) => ids.TryGetValue(token, out int id)
                ? id
                : throw new DynConvException(
                    $"merge {rank} '{left} {right}' needs the token '{token}', which the vocabulary lacks");
        }

        return merges.ToFrozenDictionary();
    }

    /// <summary>What two neighbours become.</summary>
    /// <param name="Rank">Lower ranks merge first.</param>
    /// <param name="Id">The token that they become.</param>
    public readonly record struct Merge(int Rank, int Id);
}
