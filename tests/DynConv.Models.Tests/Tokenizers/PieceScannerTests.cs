using System.Text;
using System.Text.RegularExpressions;
using DynConv.Models.Tokenizers;

namespace DynConv.Models.Tests.Tokenizers;

public sealed class PieceScannerTests
{
    public static TheoryData<PretokenizerPattern, string> Patterns { get; } = new()
    {
        { PretokenizerPattern.Gpt2, PretokenizerRegex.Gpt2 },
        { PretokenizerPattern.Llama3, PretokenizerRegex.Llama3 },
    };

    [Theory]
    [MemberData(nameof(Patterns))]
    public void Pieces_of_text_are_those_of_the_regex(PretokenizerPattern pattern, string regex)
    {
        var random = new Random(1);
        var oracle = new Regex(regex, RegexOptions.CultureInvariant);
        for (int i = 0; i < 20_000; i++)
        {
            string text = RandomText.Make(random, random.Next(1, 12));
            Assert.Equal(oracle.Matches(text).Select(match => match.Value), Pieces(pattern, text));
        }
    }

    [Theory]
    [MemberData(nameof(Patterns))]
    public void Every_character_of_the_basic_plane_is_classed_as_by_the_regex(PretokenizerPattern pattern, string regex)
    {
        var oracle = new Regex(regex, RegexOptions.CultureInvariant);
        for (int value = 0; value <= char.MaxValue; value++)
        {
            if (!char.IsSurrogate((char)value))
            {
                string text = $" {(char)value}a{(char)value}1!{(char)value}{(char)value} ";
                Assert.Equal(oracle.Matches(text).Select(match => match.Value), Pieces(pattern, text));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Patterns))]
    public void Broken_utf8_is_cut_as_if_it_were_replacement_characters(PretokenizerPattern pattern, string regex)
    {
        var random = new Random(2);
        var oracle = new Regex(regex, RegexOptions.CultureInvariant);
        for (int i = 0; i < 20_000; i++)
        {
            byte[] text = RandomText.MakeBytes(random, random.Next(1, 12));
            Assert.Equal(
                oracle.Matches(Encoding.UTF8.GetString(text)).Select(match => match.Value),
                Pieces(pattern, text).Select(Encoding.UTF8.GetString));
        }
    }

    [Theory]
    [InlineData(PretokenizerPattern.Gpt2)]
    [InlineData(PretokenizerPattern.Llama3)]
    public void Characters_beyond_the_basic_plane_have_their_own_class(PretokenizerPattern pattern) =>
        Assert.Equal(["a𝐀𐐀", " 𐐀", "𝟗𝟗", " 😀😀!"], Pieces(pattern, "a𝐀𐐀 𐐀𝟗𝟗 😀😀!"));

    [Fact]
    public void A_symbol_beyond_the_basic_plane_leads_a_word_as_a_whole() =>
        Assert.Equal(["😀word"], Pieces(PretokenizerPattern.Llama3, "😀word"));

    [Fact]
    public void The_long_s_contracts_as_an_s_does_in_the_pattern_that_ignores_case()
    {
        Assert.Equal(["a", "'ſ", "b"], Pieces(PretokenizerPattern.Llama3, "a'ſb"));
        Assert.Equal(["a", "'", "ſb"], Pieces(PretokenizerPattern.Gpt2, "a'ſb"));
    }

    [Fact]
    public void Without_a_pattern_the_text_is_one_piece() =>
        Assert.Equal(["a b\n1"], Pieces(PretokenizerPattern.None, "a b\n1"));

    private static IEnumerable<string> Pieces(PretokenizerPattern pattern, string text) =>
        Pieces(pattern, Encoding.UTF8.GetBytes(text)).Select(Encoding.UTF8.GetString);

    private static List<byte[]> Pieces(PretokenizerPattern pattern, byte[] text)
    {
        PieceScanner scanner = PieceScanner.For(pattern);
        List<byte[]> pieces = [];
        for (int start = 0; start < text.Length;)
        {
            int end = scanner.PieceEnd(text, start);
            pieces.Add(text[start..end]);
            start = end;
        }

        return pieces;
    }
}
