using System.Runtime.InteropServices;
using System.Text;

namespace DynConv.Models.Tokenizers;

/// <summary>
/// Turns pieces into tokens: characters, or bytes, become symbols, and merges join symbols. Immutable but for its caches;
/// any number of threads may use it.
/// </summary>
internal sealed class BpeModel
{
    private const int Missing = -1;

    [ThreadStatic]
    private static Scratch? _scratch;

    private readonly BpeVocabulary _vocabulary;
    private readonly BpeModelSettings _settings;
    private readonly int[] _byteSymbols = new int[256];
    private readonly int[] _fallback = new int[256];
    private readonly Dictionary<int, int> _characters = [];
    private readonly Dictionary<byte[], int>? _wholePieces;
    private readonly Dictionary<byte[], int> _specialPieces = new(PieceComparer.Instance);
    private readonly int? _unknown;
    private readonly PieceCache _cache = new();
    private readonly PieceCache _runs = new();
    private readonly Lazy<BpeSeams> _seams;

    public BpeModel(BpeVocabulary vocabulary, BpeModelSettings settings)
    {
        _vocabulary = vocabulary;
        _settings = settings;
        for (int value = 0; value < 256; value++)
        {
            _byteSymbols[value] = vocabulary.Ids.GetValueOrDefault(ByteAlphabet.ToText([(byte)value]), Missing);
            _fallback[value] = vocabulary.Ids.GetValueOrDefault($"<0x{value:X2}>", Missing);
        }

        foreach ((string token, int id) in vocabulary.Ids)
        {
            if (Rune.DecodeFromUtf16(token, out Rune rune, out int length) == System.Buffers.OperationStatus.Done && length == token.Length)
            {
                _characters[rune.Value] = id;
            }
        }

        _unknown = settings.UnknownToken is string name && vocabulary.Ids.TryGetValue(name, out int unknown) ? unknown : null;
        _wholePieces = settings.IgnoresMerges ? IndexWholePieces() : null;
        _seams = new Lazy<BpeSeams>(() => new BpeSeams(vocabulary));
    }

    /// <summary>Appends the tokens of a piece.</summary>
    /// <exception cref="DynConvException">It has an unknown character, and the vocabulary lacks the token for these.</exception>
    public void Encode(ReadOnlySpan<byte> piece, List<int> tokens, SpecialTokens special)
    {
        // What only normalization has made a special token's name. Spelled or not, it does not get into the cache.
        if (_specialPieces.Count > 0 && special != SpecialTokens.Spell
            && _specialPieces.GetAlternateLookup<ReadOnlySpan<byte>>().TryGetValue(piece, out int named))
        {
            tokens.Add(named);
            return;
        }

        bool cached = PieceCache.Takes(piece);
        if (cached && _cache.TryGet(piece, out ReadOnlySpan<int> known))
        {
            tokens.AddRange(known);
            return;
        }

        int first = tokens.Count;
        if (_wholePieces is not null && _wholePieces.GetAlternateLookup<ReadOnlySpan<byte>>().TryGetValue(piece, out int whole))
        {
            tokens.Add(whole);
        }
        else
        {
            Scratch scratch = _scratch ??= new Scratch();
            scratch.Symbols.Clear();
            Spell(piece, scratch.Symbols);
            MergeRuns(CollectionsMarshal.AsSpan(scratch.Symbols), cached, scratch.Merger, tokens);
        }

        if (cached)
        {
            _cache.Put(piece, CollectionsMarshal.AsSpan(tokens)[first..]);
        }
    }

    // Symbols that no merge joins part the work into runs, which long pieces repeat as texts repeat words.
    private void MergeRuns(ReadOnlySpan<int> symbols, bool isShort, BpeMerger merger, List<int> tokens)
    {
        if (isShort)
        {
            merger.Merge(_vocabulary, symbols, tokens);
            return;
        }

        for (int start = 0; start < symbols.Length;)
        {
            int end = start + 1;
            while (end < symbols.Length && !_seams.Value.IsSeam(symbols[end - 1], symbols[end]))
            {
                end++;
            }

            ReadOnlySpan<int> run = symbols[start..end];
            start = end;
            ReadOnlySpan<byte> key = MemoryMarshal.AsBytes(run);
            bool cached = PieceCache.Takes(key);
            if (cached && _runs.TryGet(key, out ReadOnlySpan<int> known))
            {
                tokens.AddRange(known);
                continue;
            }

            int first = tokens.Count;
            merger.Merge(_vocabulary, run, tokens);
            if (cached)
            {
                _runs.Put(key, CollectionsMarshal.AsSpan(tokens)[first..]);
            }
        }
    }

    private void Spell(ReadOnlySpan<byte> piece, List<int> symbols)
    {
        bool pending = false;
        bool isFirst = true;
        while (!piece.IsEmpty)
        {
            int length = 1;
            int id;
            bool isText = true;
            if (_settings.ReadsBytes)
            {
                id = _byteSymbols[piece[0]];
            }
            else
            {
                isText = Rune.DecodeFromUtf8(piece, out Rune rune, out length) == System.Buffers.OperationStatus.Done;
                id = isText ? FindCharacter(rune, isFirst, length == piece.Length) : Missing;
            }

            if (id != Missing)
            {
                if (pending)
                {
                    symbols.Add(Unknown());
                    pending = false;
                }

                symbols.Add(id);
            }
            else if (!TryFallBack(piece[..length], isFirst, length == piece.Length, isText, symbols) && _settings.UnknownToken is not null)
            {
                // The token comes with the next known character, so that bytes may come before it.
                if (pending && !_settings.FusesUnknown)
                {
                    symbols.Add(Unknown());
                }

                pending = true;
            }

            isFirst = false;
            piece = piece[length..];
        }

        if (pending)
        {
            symbols.Add(Unknown());
        }
    }

    private int FindCharacter(Rune rune, bool isFirst, bool isLast)
    {
        string prefix = isFirst ? "" : _settings.Prefix;
        string suffix = isLast ? _settings.Suffix : "";
        return prefix.Length + suffix.Length == 0
            ? _characters.GetValueOrDefault(rune.Value, Missing)
            : _vocabulary.Ids.GetValueOrDefault($"{prefix}{rune}{suffix}", Missing);
    }

    private bool TryFallBack(ReadOnlySpan<byte> character, bool isFirst, bool isLast, bool isText, List<int> symbols)
    {
        if (!_settings.FallsBackToBytes)
        {
            return false;
        }

        ReadOnlySpan<byte> bytes = _settings.ReadsBytes ? Encoding.UTF8.GetBytes(ByteAlphabet.ToText(character)) : character;
        if (isText && !_settings.ReadsBytes && (_settings.Prefix.Length > 0 || _settings.Suffix.Length > 0))
        {
            bytes = Encoding.UTF8.GetBytes(
                (isFirst ? "" : _settings.Prefix) + Encoding.UTF8.GetString(character) + (isLast ? _settings.Suffix : ""));
        }

        foreach (byte value in bytes)
        {
            if (_fallback[value] == Missing)
            {
                return false;
            }
        }

        foreach (byte value in bytes)
        {
            symbols.Add(_fallback[value]);
        }

        return true;
    }

    private int Unknown() => _unknown ?? throw new DynConvException(
        $"The text has a character that the vocabulary lacks, and it lacks the unknown token '{JsonPlace.Cut(_settings.UnknownToken!)}' too.");

    // Special tokens are found before or not at all: a text must not become one by spelling its name.
    private Dictionary<byte[], int> IndexWholePieces()
    {
        HashSet<string> special = [.. _vocabulary.Added.Where(static token => token.Special).Select(static token => token.Content)];
        var pieces = new Dictionary<byte[], int>(PieceComparer.Instance);
        foreach ((string token, int id) in _vocabulary.Ids)
        {
            byte[]? piece = Encoding.UTF8.GetBytes(token);
            if (!_settings.ReadsBytes || ByteAlphabet.TryToBytes(token, out piece))
            {
                (special.Contains(token) ? _specialPieces : pieces)[piece] = id;
            }
        }

        return pieces;
    }

    private sealed class Scratch
    {
        public BpeMerger Merger { get; } = new();

        public List<int> Symbols { get; } = [];
    }
}
