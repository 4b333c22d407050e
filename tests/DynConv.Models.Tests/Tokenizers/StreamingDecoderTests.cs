using System.Text;
using DynConv.Models.Tokenizers;

namespace DynConv.Models.Tests.Tokenizers;

public sealed class StreamingDecoderTests
{
    [Fact]
    public void A_character_appears_when_its_last_byte_has_come()
    {
        var stream = new StreamingDecoder(new ByteTokenizer());
        int[] tokens = ['a', 0xC3, 0xA9, 0xF0, 0x9F, 0x98, 0x80];
        Assert.Equal(["a", "", "é", "", "", "", "😀"], tokens.Select(stream.Append));
        Assert.Equal("", stream.Finish());
    }

    [Fact]
    public void Bytes_that_cannot_become_a_character_are_replaced()
    {
        var stream = new StreamingDecoder(new ByteTokenizer());
        Assert.Equal(["", "\uFFFDa", "\uFFFD", ""], new[] { 0xC3, 'a', 0xFF, 0xE2 }.Select(stream.Append));
        Assert.Equal("\uFFFD", stream.Finish());
        Assert.Equal("a", stream.Append('a'));
    }

    [Fact]
    public void The_stream_of_any_bytes_is_the_text_of_the_whole()
    {
        var random = new Random(7);
        for (int i = 0; i < 200; i++)
        {
            byte[] bytes = RandomText.MakeBytes(random, 20);
            var stream = new StreamingDecoder(new ByteTokenizer());
            string text = string.Concat(bytes.Select(value => stream.Append(value))) + stream.Finish();
            Assert.Equal(Encoding.UTF8.GetString(bytes), text);
        }
    }

    [Fact]
    public void Spaces_of_SentencePiece_stay_where_they_are()
    {
        ITokenizer tokenizer = TokenizerLoader.Load(Path.Combine(AppContext.BaseDirectory, "Tokenizers", "cases", "sentencepiece.json"));
        int[] ids = tokenizer.Encode(" One story. \u4e2d!");
        var stream = new StreamingDecoder(tokenizer);
        Assert.Equal(" One story. \u4e2d!", string.Concat(ids.Select(stream.Append)) + stream.Finish());
        var later = new StreamingDecoder(tokenizer, ids[3]);
        Assert.Equal(tokenizer.DecodeText(ids)[tokenizer.DecodeText(ids.AsSpan(0, 4)).Length..], string.Concat(ids[4..].Select(later.Append)) + later.Finish());
    }
}
