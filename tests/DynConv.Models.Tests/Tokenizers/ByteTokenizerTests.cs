using DynConv.Models.Tokenizers;

namespace DynConv.Models.Tests.Tokenizers;

public sealed class ByteTokenizerTests
{
    [Fact]
    public void Ids_are_the_bytes_and_one_more_ends_text()
    {
        var tokenizer = new ByteTokenizer();
        List<int> tokens = [7];
        tokenizer.Encode([0, 65, 255], tokens);
        Assert.Equal([7, 0, 65, 255], tokens);
        Assert.Equal(257, tokenizer.VocabularySize);
        Assert.Equal(256, tokenizer.EndOfTextId);
        Assert.Equal("A<|endoftext|>B", tokenizer.DecodeText([65, 256, 66]));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(257)]
    public void An_id_outside_the_vocabulary_cannot_be_decoded(int id)
    {
        var exception = Assert.Throws<DynConvException>(() => new ByteTokenizer().Decode([id]));
        Assert.Equal($"Token id {id} is not in the vocabulary: ids run from 0 to 256.", exception.Message);
    }
}
