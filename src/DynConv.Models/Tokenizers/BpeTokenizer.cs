using System.Runtime.InteropServices;

namespace DynConv.Models.Tokenizers;

/// <summary>
/// Byte-level byte-pair encoding, as GPT-2 and Llama-3 use it. Read one with <see cref="TokenizerLoader"/> or train
/// one with <see cref="TokenizerTrainer"/>.
/// </summary>
/// <remarks>
/// The work is done here and not by Microsoft.ML.Tokenizers because that library reads strings, in which bytes that
/// are not UTF-8 are lost. A vocabulary whose <c>add_prefix_space</c> is set puts a space before text that does not
/// start with one, as its model was trained, and decoding gives that space back; with any other, decoding gives
/// exactly the encoded bytes. Templates that add tokens around a text (<c>post_processor</c>) are kept in the file
/// but not applied.
/// </remarks>
public sealed class BpeTokenizer : ITokenizer
{
    [ThreadStatic]
    private static Scratch? _scratch;

    private readonly BpeVocabulary _vocabulary;
    private readonly BpeSettings _settings;
    private readonly PieceScanner _scanner;
    private readonly PieceCache _cache = new();
    private readonly Dictionary<string, int>? _wholePieces;

    internal BpeTokenizer(BpeVocabulary vocabulary, BpeSettings settings)
    {
        EndOfTextId = vocabulary.EndOfTextId;
        _vocabulary = vocabulary;
        _settings = settings;
        _scanner = PieceScanner.For(settings.Pattern);
        if (settings.IgnoreMerges)
        {
            HashSet<string> added = [.. vocabulary.Added.Select(token => token.Content)];
            _wholePieces = vocabulary.Ids.Where(token => !added.Contains(token.Key)).ToDictionary();
        }
    }

    /// <inheritdoc/>
    public int VocabularySize => _vocabulary.Count;

    /// <inheritdoc/>
    public int? EndOfTextId { get; private init; }

    /// <inheritdoc/>
    public TokenTemplate Template => _settings.Template;

    /// <inheritdoc/>
    public bool Contains(int id) => (uint)id < (uint)VocabularySize;

    /// <inheritdoc/>
    public int ByteCount(int id) =>
        _vocabulary.Added.Any(token => token.Id == id && token.Special) ? 0 : _vocabulary.Bytes(id).Length;

    /// <inheritdoc/>
    public int? FindToken(string content) =>
        _vocabulary.Added.FirstOrDefault(token => token.Content == content)?.Id
        ?? (_vocabulary.Ids.TryGetValue(content, out int id) ? id : null);

    /// <inheritdoc/>
    public ITokenizer WithEndOfText(int id) =>
        new BpeTokenizer(_vocabulary, _settings) { EndOfTextId = _vocabulary.Bytes(id) is null ? null : id };

    /// <summary>How text is cut into the pieces that merges stay within.</summary>
    public PretokenizerPattern Pattern => _settings.Pattern;

    /// <inheritdoc/>
    public void Encode(ReadOnlySpan<byte> text, ICollection<int> tokens)
    {
        if (_settings.AddPrefixSpace && text is [not (byte)' ', ..])
        {
            text = (byte[])[(byte)' ', .. text];
        }

        Scratch scratch = _scratch ??= new Scratch();
        for (int start = 0; start < text.Length;)
        {
            int end = _scanner.PieceEnd(text, start);
            Append(EncodePiece(text[start..end], scratch), tokens);
            start = end;
        }
    }

    /// <inheritdoc/>
    public byte[] Decode(ReadOnlySpan<int> tokens)
    {
        var bytes = new List<byte>(tokens.Length * 4);
        foreach (int token in tokens)
        {
            bytes.AddRange(_vocabulary.Bytes(token));
        }

        return [.. bytes];
    }

    /// <inheritdoc/>
    public void Save(string path) => TokenizerJsonWriter.Write(path, _vocabulary, _settings);

    private ReadOnlySpan<int> EncodePiece(ReadOnlySpan<byte> piece, Scratch scratch)
    {
        bool cached = PieceCache.Takes(piece);
        if (cached && _cache.TryGet(piece, out ReadOnlySpan<int> known))
        {
            return known;
        }

        scratch.Tokens.Clear();
        if (_wholePieces is not null && _wholePieces.TryGetValue(ByteAlphabet.ToText(piece), out int whole))
        {
            scratch.Tokens.Add(whole);
        }
        else
        {
            scratch.Merger.Merge(_vocabulary, piece, scratch.Tokens);
        }

        ReadOnlySpan<int> tokens = CollectionsMarshal.AsSpan(scratch.Tokens);
        if (cached)
        {
            _cache.Put(piece, tokens);
        }

        return tokens;
    }

    private static void Append(ReadOnlySpan<int> ids, ICollection<int> tokens)
    {
        if (tokens is List<int> list)
        {
            list.AddRange(ids);
            return;
        }

        foreach (int id in ids)
        {
            tokens.Add(id);
        }
    }

    private sealed class Scratch
    {
        public BpeMerger Merger { get; } = new();

        public List<int> Tokens { get; } = [];
    }
}
