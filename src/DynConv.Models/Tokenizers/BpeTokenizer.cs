using System.Text;
using DynConv.Models.Tokenizers.Decoding;

namespace DynConv.Models.Tokenizers;

/// <summary>
/// Byte-pair encoding as Hugging Face's <c>tokenizer.json</c> describes it: byte-level as GPT-2, Llama 3 and most others have
/// it, or on characters as Llama 2 has it. Read one with <see cref="TokenizerLoader"/> or train one with
/// <see cref="TokenizerTrainer"/>.
/// </summary>
/// <remarks>
/// The work is done here and not by a library that reads strings, in which bytes that are not UTF-8 are lost. What the file
/// says is done to text, is done: with a byte-level vocabulary that has all bytes, and without a normalizer, added tokens
/// that take white space along and spaces put in front, decoding gives exactly the encoded bytes.
/// </remarks>
public sealed class BpeTokenizer : ITokenizer
{
    private readonly BpeVocabulary _vocabulary;
    private readonly BpeSettings _settings;
    private readonly BpeEncoding _encoding;
    private readonly byte[]?[]? _bytes;
    private readonly HashSet<int> _special;
    private readonly Dictionary<string, int> _added;

    /// <summary>Puts a tokenizer together.</summary>
    /// <exception cref="DynConvException">Its parts contradict each other; the message does not name the file.</exception>
    internal BpeTokenizer(BpeVocabulary vocabulary, BpeSettings settings)
        : this(vocabulary, settings, new BpeEncoding(vocabulary, settings), vocabulary.EndOfTextId)
    {
    }

    private BpeTokenizer(BpeVocabulary vocabulary, BpeSettings settings, BpeEncoding encoding, int? endOfText)
    {
        _vocabulary = vocabulary;
        _settings = settings;
        _encoding = encoding;
        EndOfTextId = endOfText;
        _special = [.. vocabulary.Added.Where(static token => token.Special).Select(static token => token.Id)];
        _added = vocabulary.Added.ToDictionary(static token => token.Content, static token => token.Id);
        _bytes = settings.Decoder is ByteLevelDecoder ? IndexBytes(vocabulary) : null;
    }

    /// <inheritdoc/>
    public int VocabularySize => _vocabulary.Count;

    /// <inheritdoc/>
    public int? EndOfTextId { get; }

    /// <inheritdoc/>
    public TokenTemplate Template => _settings.Template;

    /// <inheritdoc/>
    public bool Contains(int id) => _vocabulary.FindName(id) is not null;

    /// <inheritdoc/>
    public int? FindToken(string content) => _added.TryGetValue(content, out int added) ? added
        : _vocabulary.Ids.TryGetValue(content, out int id) ? id
        : null;

    /// <inheritdoc/>
    public ITokenizer WithEndOfText(int id) =>
        Contains(id) ? new BpeTokenizer(_vocabulary, _settings, _encoding, id) : throw _vocabulary.NoSuchToken(id);

    /// <inheritdoc/>
    public void Encode(ReadOnlySpan<byte> text, ICollection<int> tokens) => Encode(text, tokens, default);

    /// <inheritdoc/>
    public void Encode(ReadOnlySpan<byte> text, ICollection<int> tokens, EncodeOptions options)
    {
        if (tokens is List<int> list)
        {
            _encoding.Encode(text, list, options);
            return;
        }

        List<int> ids = [];
        _encoding.Encode(text, ids, options);
        ids.ForEach(tokens.Add);
    }

    /// <inheritdoc/>
    public int FindCut(ReadOnlySpan<byte> text) => _encoding.FindCut(text);

    /// <inheritdoc/>
    public byte[] Decode(ReadOnlySpan<int> tokens)
    {
        if (_bytes is not null)
        {
            var bytes = new List<byte>(tokens.Length * 4);
            foreach (int token in tokens)
            {
                bytes.AddRange(((uint)token < (uint)_bytes.Length ? _bytes[token] : null) ?? throw _vocabulary.NoSuchToken(token));
            }

            return [.. bytes];
        }

        var texts = new List<byte[]>(tokens.Length);
        foreach (int token in tokens)
        {
            texts.Add(Encoding.UTF8.GetBytes(_vocabulary.FindName(token) ?? throw _vocabulary.NoSuchToken(token)));
        }

        return texts.Count == 0 ? [] : [.. _settings.Decoder.Apply(texts).SelectMany(static text => text)];
    }

    /// <inheritdoc/>
    public int ByteCount(int id)
    {
        // A second token tells what one is within a text, without what is left out at the start.
        int alone = Decode([id]).Length;
        return _special.Contains(id) ? 0 : _bytes is not null ? alone : Decode([id, id]).Length - alone;
    }

    /// <inheritdoc/>
    public void Save(string path) => TokenizerJsonWriter.Write(path, _vocabulary, _settings);

    private static byte[]?[] IndexBytes(BpeVocabulary vocabulary) => [.. Enumerable.Range(0, vocabulary.Count)
        .Select(vocabulary.FindName)
        .Select(static name => name is null ? null : ByteLevelDecoder.ToBytes(Encoding.UTF8.GetBytes(name)))];
}
