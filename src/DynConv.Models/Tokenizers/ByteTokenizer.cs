using System.Runtime.InteropServices;
using System.Text;

namespace DynConv.Models.Tokenizers;

/// <summary>
/// The tokenizer without a vocabulary to learn: ids 0 to 255 are the bytes of the text, and 256 is
/// <c>&lt;|endoftext|&gt;</c>. In a file it is byte-level BPE without merges.
/// </summary>
public sealed class ByteTokenizer : ITokenizer
{
    private const int EndOfText = 256;

    private static ReadOnlySpan<byte> Name => "<|endoftext|>"u8;

    private readonly int _separator;

    /// <summary>The tokenizer whose documents end with id 256.</summary>
    public ByteTokenizer()
        : this(EndOfText)
    {
    }

    private ByteTokenizer(int separator) => _separator = separator;

    /// <inheritdoc/>
    public int VocabularySize => EndOfText + 1;

    /// <inheritdoc/>
    public int? EndOfTextId => _separator;

    /// <inheritdoc/>
    public int? FindToken(string content) => content == AddedToken.EndOfText ? EndOfText
        : ByteAlphabet.TryToBytes(content, out byte[]? bytes) && bytes is [var value] ? value
        : null;

    /// <inheritdoc/>
    public int ByteCount(int id) => id switch
    {
        >= 0 and < EndOfText => 1,
        EndOfText => 0,
        _ => throw NoSuchToken(id),
    };

    /// <inheritdoc/>
    public ITokenizer WithEndOfText(int id) => id is >= 0 and <= EndOfText ? new ByteTokenizer(id) : throw NoSuchToken(id);

    /// <inheritdoc/>
    public void Encode(ReadOnlySpan<byte> text, ICollection<int> tokens) => Encode(text, tokens, default);

    /// <inheritdoc/>
    public void Encode(ReadOnlySpan<byte> text, ICollection<int> tokens, EncodeOptions options)
    {
        while (options.SpecialTokens == SpecialTokens.Find && text.IndexOf(Name) is >= 0 and int index)
        {
            Spell(text[..index], tokens);
            tokens.Add(EndOfText);
            text = text[(index + Name.Length)..];
        }

        Spell(text, tokens);
    }

    /// <inheritdoc/>
    public int FindCut(ReadOnlySpan<byte> text)
    {
        int cut = TextCut.Find(text);
        int around = Math.Max(0, cut - Name.Length + 1);
        int name = text[around..Math.Min(text.Length, cut + Name.Length - 1)].IndexOf(Name);
        return name >= 0 && around + name > 0 ? around + name : cut;
    }

    /// <inheritdoc/>
    public byte[] Decode(ReadOnlySpan<int> tokens)
    {
        var bytes = new List<byte>(tokens.Length);
        foreach (int token in tokens)
        {
            switch (token)
            {
                case >= 0 and < EndOfText:
                    bytes.Add((byte)token);
                    break;
                case EndOfText:
                    bytes.AddRange(Encoding.UTF8.GetBytes(AddedToken.EndOfText));
                    break;
                default:
                    throw NoSuchToken(token);
            }
        }

        return [.. bytes];
    }

    /// <inheritdoc/>
    public void Save(string path) => TokenizerJsonWriter.Write(
        path,
        new BpeVocabulary(BpeVocabulary.ByteTokens(), [], [new AddedToken(EndOfText, AddedToken.EndOfText)]),
        BpeSettings.Of(PretokenizerPattern.None));

    /// <summary>Whether a vocabulary read from a file, whose text is bytes and no more, is this tokenizer's.</summary>
    internal static bool Is(BpeVocabulary vocabulary) =>
        vocabulary is { Count: EndOfText + 1, MergePairs.Count: 0, Ids.Count: EndOfText, Added: [var only] }
        && only == new AddedToken(EndOfText, AddedToken.EndOfText)
        && Enumerable.Range(0, EndOfText)
            .All(value => vocabulary.Ids.GetValueOrDefault(ByteAlphabet.ToText([(byte)value]), -1) == value);

    private static void Spell(ReadOnlySpan<byte> text, ICollection<int> tokens)
    {
        if (tokens is List<int> list)
        {
            int start = list.Count;
            CollectionsMarshal.SetCount(list, start + text.Length);
            Span<int> ids = CollectionsMarshal.AsSpan(list)[start..];
            for (int i = 0; i < text.Length; i++)
            {
                ids[i] = text[i];
            }

            return;
        }

        foreach (byte value in text)
        {
            tokens.Add(value);
        }
    }

    private static DynConvException NoSuchToken(int id) =>
        new($"Token id {id} is not in the vocabulary: ids run from 0 to {EndOfText}.");
}
