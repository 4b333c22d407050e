namespace DynConv.Tests;

public sealed class MessageTests
{
    [Theory]
    [InlineData("The name is 'a'.", "The name is 'a'.")]
    [InlineData("The name is '\e[31ma\a'.", "The name is '\uFFFD[31ma\uFFFD'.")]
    [InlineData("Line one.\r\nLine\u2028two\n", "Line one. Line two ")]
    [InlineData("Tab\tand \u0085and \u009B", "Tab\uFFFDand  and \uFFFD")]
    public void A_message_is_one_line_that_no_terminal_obeys(string message, string wanted)
    {
        Assert.Equal(wanted, new DynConvException(message).Message);
        Assert.Equal(wanted, new DynConvException(message, new IOException()).Message);
    }

    // An attribute cannot hold half of a pair.
    [Fact]
    public void Half_of_a_surrogate_pair_is_shown_as_what_it_is() =>
        Assert.Equal("A pair 😀 and half of one \uFFFD.", new DynConvException("A pair 😀 and half of one \ud83d.").Message);

    [Fact]
    public void A_message_that_quotes_too_much_keeps_its_beginning_and_its_end()
    {
        string message = new DynConvException($"The key is '{new string('x', 3_000_000)}'; a number is wanted.").Message;
        Assert.StartsWith("The key is 'xxx", message, StringComparison.Ordinal);
        Assert.Contains("xx … xx", message, StringComparison.Ordinal);
        Assert.EndsWith("xx'; a number is wanted.", message, StringComparison.Ordinal);
        Assert.Equal(1000, message.Length);
    }
}
