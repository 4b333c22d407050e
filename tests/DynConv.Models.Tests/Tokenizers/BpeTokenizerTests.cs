using System.Text;
using System.Text.Json.Nodes;
using DynConv.Models.Tokenizers;
using FsCheck;
using FsCheck.Fluent;

namespace DynConv.Models.Tests.Tokenizers;

public sealed class BpeTokenizerTests
{
    [Fact]
    public void Merges_apply_within_pieces_in_the_order_of_their_ranks()
    {
        ITokenizer tokenizer = SmallVocabulary.Load(_ => { });
        Assert.Equal([259], tokenizer.Encode("hello"));
        Assert.Equal([258, 257, 'o'], tokenizer.Encode("hellllo"));
        Assert.Equal([260, 'o'], tokenizer.Encode(" wo"));
        Assert.Equal(['h', '\'', 'e'], tokenizer.Encode("h'e"));
        Assert.Equal(262, tokenizer.VocabularySize);
        Assert.Equal(261, tokenizer.EndOfTextId);
    }

    [Fact]
    public void Of_equal_pairs_the_leftmost_merges_first() =>
        Assert.Equal([257, 257, 'l'], SmallVocabulary.Load(_ => { }).Encode("lllll"));

    [Fact]
    public void Special_tokens_in_text_are_found_unless_text_is_to_be_spelled()
    {
        ITokenizer tokenizer = SmallVocabulary.Load(_ => { });
        Assert.Equal([259, 261, 'a'], tokenizer.Encode("hello<|endoftext|>a"));
        Assert.DoesNotContain(261, tokenizer.Encode("hello<|endoftext|>", SpecialTokens.Spell));
        Assert.Equal("hello<|endoftext|>", tokenizer.DecodeText([259, 261]));
        Assert.Equal("hello<|endoftext|>", tokenizer.DecodeText(tokenizer.Encode("hello<|endoftext|>", SpecialTokens.Spell)));
        Assert.Equal([0, 5], new[] { 261, 259 }.Select(tokenizer.ByteCount));
    }

    [Fact]
    public void An_added_token_that_stands_for_a_byte_decodes_to_the_byte()
    {
        ITokenizer tokenizer = SmallVocabulary.Load(json => json["added_tokens"]!.AsArray().Add(
            SmallVocabulary.Json("""{"id":32,"content":"Ġ","special":false}""")));
        Assert.Equal("a b", tokenizer.DecodeText(tokenizer.Encode("a b")));
        Assert.Equal(1, tokenizer.ByteCount(32));
    }

    [Fact]
    public void Ids_have_holes_names_and_another_separator()
    {
        ITokenizer tokenizer = SmallVocabulary.Load(json => json["model"]!["vocab"]!["hello"] = 300);
        Assert.Equal(301, tokenizer.VocabularySize);
        Assert.Equal([true, false, true, false, false], new[] { 258, 259, 300, 301, -1 }.Select(tokenizer.Contains));
        Assert.Equal(300, tokenizer.FindToken("hello"));
        Assert.Equal(261, tokenizer.FindToken("<|endoftext|>"));
        Assert.Null(tokenizer.FindToken("hallo"));
        ITokenizer other = tokenizer.WithEndOfText(300);
        Assert.Equal(300, other.EndOfTextId);
        Assert.Equal(tokenizer.Encode("hello w<|endoftext|>"), other.Encode("hello w<|endoftext|>"));
        Assert.Throws<DynConvException>(() => tokenizer.WithEndOfText(299));
        Assert.Throws<DynConvException>(() => tokenizer.Decode([299]));
    }

    [Fact]
    public void A_part_of_a_document_is_not_given_a_space()
    {
        ITokenizer tokenizer = SmallVocabulary.Load(json => json["pre_tokenizer"]!["add_prefix_space"] = true);
        List<int> tokens = [];
        tokenizer.Encode("wo\n"u8, tokens, new EncodeOptions { Part = TextPart.Unfinished });
        tokenizer.Encode("wo"u8, tokens, new EncodeOptions { Part = TextPart.Continues });
        Assert.Equal([260, 'o', '\n', 'w', 'o'], tokens);
    }

    [Fact]
    public void A_prefix_space_is_added_only_where_the_text_has_none()
    {
        ITokenizer tokenizer = SmallVocabulary.Load(json => json["pre_tokenizer"]!["add_prefix_space"] = true);
        Assert.Equal([260, 'o'], tokenizer.Encode("wo"));
        Assert.Equal([260, 'o'], tokenizer.Encode(" wo"));
        Assert.Empty(tokenizer.Encode(""));
    }

    [Fact]
    public void Whole_pieces_go_before_merges_only_when_merges_are_ignored()
    {
        void WithoutMerges(JsonObject json) => json["model"]!["merges"] = new JsonArray("h e");

        Assert.Equal([256, 'l', 'l', 'o'], SmallVocabulary.Load(WithoutMerges).Encode("hello"));
        ITokenizer ignoring = SmallVocabulary.Load(json =>
        {
            WithoutMerges(json);
            json["model"]!["ignore_merges"] = true;
        });
        Assert.Equal([259, 260, ' ', 'h', 'a'], ignoring.Encode("hello w ha"));
    }

    [Fact]
    public void Any_bytes_survive_the_round_trip()
    {
        ITokenizer[] tokenizers =
        [
            new ByteTokenizer(),
            SmallVocabulary.Load(_ => { }),
            SmallVocabulary.Load(json => json["pre_tokenizer"]!["use_regex"] = false),
            Trained.On([RandomText.MakeBytes(new Random(3), 3000)], 400),
            Trained.On([RandomText.MakeBytes(new Random(4), 3000)], 400, new() { Pattern = PretokenizerPattern.Llama3 }),
        ];
        Prop.ForAll<byte[], int>((bytes, seed) =>
        {
            byte[] rich = [.. bytes, .. RandomText.MakeBytes(new Random(seed), 20)];
            return tokenizers.All(tokenizer => RoundTrip(tokenizer, bytes) && RoundTrip(tokenizer, rich));
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void Pieces_longer_than_the_cache_takes_are_encoded_in_little_time()
    {
        ITokenizer tokenizer = SmallVocabulary.Load(_ => { });
        byte[] text = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("hello", 50_000)));
        List<int> tokens = [];
        tokenizer.Encode(text, tokens);
        Assert.Equal(Enumerable.Repeat(259, 50_000), tokens);
    }

    [Fact]
    public void Threads_that_share_a_tokenizer_get_the_same_tokens()
    {
        byte[] text = RandomText.MakeBytes(new Random(5), 20_000);
        int[] Encode(ITokenizer tokenizer)
        {
            List<int> tokens = [];
            tokenizer.Encode(text, tokens);
            return [.. tokens];
        }

        int[] expected = Encode(SmallVocabulary.Load(_ => { }));
        ITokenizer shared = SmallVocabulary.Load(_ => { });
        int[][] results = new int[8][];
        Parallel.For(0, results.Length, i => results[i] = Encode(shared));
        Assert.All(results, tokens => Assert.Equal(expected, tokens));
    }

    [Fact]
    public void Tokens_go_into_any_collection()
    {
        var tokens = new LinkedList<int>();
        SmallVocabulary.Load(_ => { }).Encode("hello w"u8, tokens);
        new ByteTokenizer().Encode("a"u8, tokens);
        Assert.Equal([259, 260, 'a'], tokens);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(262)]
    public void An_id_outside_the_vocabulary_cannot_be_decoded(int id)
    {
        var exception = Assert.Throws<DynConvException>(() => SmallVocabulary.Load(_ => { }).Decode([id]));
        Assert.Equal($"Token id {id} is not in the vocabulary: ids run from 0 to 261.", exception.Message);
    }

    private static bool RoundTrip(ITokenizer tokenizer, byte[] text)
    {
        List<int> tokens = [];
        tokenizer.Encode(text, tokens);
        return tokenizer.Decode(tokens.ToArray()).AsSpan().SequenceEqual(text);
    }
}
