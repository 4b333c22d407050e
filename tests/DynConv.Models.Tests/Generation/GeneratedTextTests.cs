using System.Text;
using DynConv.Models.Generation;
using DynConv.Models.Tokenizers;
using FsCheck;
using FsCheck.Fluent;

namespace DynConv.Models.Tests.Generation;

public sealed class GeneratedTextTests
{
    [Theory]
    [InlineData("no stop here", "no stop here")]
    [InlineData("one END two", "one ", "END")]
    [InlineData("one EN", "one EN", "END")]
    [InlineData("aab aaab", "", "aab")]
    [InlineData("aaab", "a", "aab")]
    [InlineData("one ENDING", "one ", "ENDING", "END")]
    [InlineData("xabcd", "x", "bc", "abc")]
    [InlineData("Grüße, Ü!", "Grüße, ", "Ü")]
    public void Text_ends_where_the_first_stop_string_is_complete(string text, string wanted, params string[] stops)
    {
        var generated = new GeneratedText(new ByteTokenizer(), null, stops);
        Assert.Equal(wanted, Text(generated, text));
        Assert.Equal(wanted != text, generated.IsStopped);
    }

    [Fact]
    public void What_may_become_a_stop_string_is_held_back_until_it_is_known()
    {
        var generated = new GeneratedText(new ByteTokenizer(), null, "\n\n", "User:");
        string[] pieces = [.. "a\nbUs\n".Select(c => Encoding.UTF8.GetString(generated.Append(c)))];
        Assert.Equal(["a", "", "\nb", "", "", "Us"], pieces);
        Assert.Equal("\n", Encoding.UTF8.GetString(generated.Finish()));
        Assert.False(generated.IsStopped);
    }

    [Fact]
    public void No_part_of_a_stop_string_is_ever_given_out() => Prop.ForAll(
        Gen.Elements('a', 'b').ArrayOf(30).ToArbitrary(),
        Gen.Elements('a', 'b').NonEmptyListOf().ToArbitrary(),
        (text, stop) =>
        {
            string whole = new(text);
            string end = new([.. stop]);
            int at = whole.IndexOf(end, StringComparison.Ordinal);
            Assert.Equal(at < 0 ? whole : whole[..at], Text(new GeneratedText(new ByteTokenizer(), null, end), whole));
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void An_empty_stop_string_is_refused() => Assert.Equal(
        "A stop string is empty; it would end each text at once.",
        Assert.Throws<DynConvException>(() => new GeneratedText(new ByteTokenizer(), null, "x", "")).Message);

    private static string Text(GeneratedText generated, string text)
    {
        byte[][] pieces = [.. Encoding.UTF8.GetBytes(text).Select(value => generated.Append(value)), generated.Finish()];
        return Encoding.UTF8.GetString([.. pieces.SelectMany(piece => piece)]);
    }
}
