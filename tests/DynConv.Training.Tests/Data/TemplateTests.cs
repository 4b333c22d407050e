using DynConv.Models.Tokenizers;
using DynConv.Training.Data;

namespace DynConv.Training.Tests.Data;

/// <summary>What stands around and between documents.</summary>
public sealed class TemplateTests : IDisposable
{
    private const int Before = 1;
    private const int After = 2;
    private const int Separator = 256;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Each_document_has_the_template_around_it_and_the_separator_behind() => Assert.Equal(
        [Before, 'a', 'b', After, Separator, Before, 'c', After, Separator],
        Encode(new Framed([Before], [After], Separator)));

    [Fact]
    public void A_template_that_ends_the_text_needs_no_separator() => Assert.Equal(
        [Before, 'a', 'b', Separator, Before, 'c', Separator],
        Encode(new Framed([Before], [Separator], Separator)));

    [Fact]
    public void A_beginning_that_is_the_separator_too_ends_no_document()
    {
        using TokenDataset data = Open(new Framed([Separator], [], Separator), Documents());

        Assert.Equal([Separator, 'a', 'b', Separator, Separator, 'c', Separator], Texts.AllTokens(data));
        Assert.Equal([4], data.DocumentStarts(0, data.Tokens));
    }

    [Fact]
    public void Without_a_separator_there_is_none() =>
        Assert.Equal([Before, 'a', 'b', Before, 'c'], Encode(new Framed([Before], [], null)));

    [Fact]
    public void A_long_document_has_its_template_once()
    {
        string path = _folder["long.txt"];
        File.WriteAllText(path, string.Concat(Enumerable.Repeat("word ", 600_000)));
        int[] ids = Ids(new Framed([Before], [After], Separator), path);

        Assert.Equal(3_000_000 + 3, ids.Length);
        Assert.Equal((Before, After, Separator), (ids[0], ids[^2], ids[^1]));
        Assert.Equal(3, ids.Count(id => id is Before or After or Separator));
    }

    [Fact]
    public void Encoded_text_is_made_anew_where_template_or_separator_is_another()
    {
        int[] first = Encode(new Framed([Before], [After], Separator));
        Assert.NotEqual(first, Encode(new Framed([], [After], Separator)));
        Assert.NotEqual(first, Encode(new Framed([Before], [], Separator)));
        Assert.NotEqual(first, Encode(new Framed([Before], [After], 255)));
        Assert.Equal(first, Encode(new Framed([Before], [After], Separator)));
    }

    [Fact]
    public void Tokens_around_a_text_stand_for_no_bytes_of_it()
    {
        using TokenDataset data = Open(new Framed([Before], [After], Separator), Documents());
        Assert.Equal(3, data.Bytes);
        Assert.Equal(3, data.CountBytes(0, data.Tokens));
    }

    private int[] Encode(ITokenizer tokenizer) => Ids(tokenizer, Documents());

    private string Documents()
    {
        string path = _folder["documents.jsonl"];
        File.WriteAllText(path, "{\"text\": \"ab\"}\n{\"text\": \"c\"}\n");
        File.SetLastWriteTimeUtc(path, DateTime.UnixEpoch);
        return path;
    }

    private int[] Ids(ITokenizer tokenizer, string path)
    {
        using TokenDataset data = Open(tokenizer, path);
        var ids = new int[data.Tokens];
        data.CopyTo(0, ids);
        return ids;
    }

    private TokenDataset Open(ITokenizer tokenizer, string path) =>
        TokenCache.OpenOrEncode(_folder["cache"], TextSource.Find([path]), tokenizer);

    /// <summary>Bytes in a frame; the same file whatever the frame.</summary>
    private sealed class Framed(int[] before, int[] after, int? separator) : ITokenizer
    {
        private readonly ByteTokenizer _bytes = new();

        public int VocabularySize => _bytes.VocabularySize;

        public int? EndOfTextId => separator;

        public TokenTemplate Template { get; } = new(before, after);

        public ITokenizer WithEndOfText(int id) => new Framed(before, after, id);

        public void Encode(ReadOnlySpan<byte> text, ICollection<int> tokens) => _bytes.Encode(text, tokens);

        public byte[] Decode(ReadOnlySpan<int> tokens) => _bytes.Decode(tokens);

        public int ByteCount(int id) => id is Before or After or Separator || id == separator ? 0 : 1;

        public void Save(string path) => _bytes.Save(path);
    }
}
