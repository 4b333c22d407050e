using System.Text;

namespace DynConv.Cli.Tests;

public sealed class TokenizerTextTests
{
    [Fact]
    public void Each_line_has_its_ids_and_ids_have_their_line()
    {
        CommandRun encoded = Run("ab\n\né<|endoftext|>", "encode", "--tokenizer", "bytes").Succeeded();
        Assert.Equal("97 98\n\n195 169 256\n", encoded.Output);
        Assert.Equal("ab\n\né<|endoftext|>\n", Run(encoded.Output, "decode", "--tokenizer", "bytes").Succeeded().Output);
        Assert.Equal("2\n0\n3\n", Run("ab\n\né<|endoftext|>\n", "count", "--tokenizer", "bytes").Succeeded().Output);
        Assert.Equal("2\n15\n", Run("ab\né<|endoftext|>\n", "count", "--tokenizer", "bytes", "--plain").Succeeded().Output);
    }

    [Fact]
    public void Json_lines_carry_texts_of_several_lines_and_half_characters()
    {
        CommandRun encoded = Run("\"a\\n\\u00e9\"\n \"\\ud800\" \n\"\"\n", "encode", "--tokenizer", "bytes", "--json").Succeeded();
        Assert.Equal("[97,10,195,169]\n[239,191,189]\n[]\n", encoded.Output);
        Assert.Equal("\"a\\n\\u00E9\"\n\"\\uFFFD\"\n\"\"\n", Run(encoded.Output, "decode", "--tokenizer", "bytes", "--json").Succeeded().Output);
    }

    [Fact]
    public void What_the_tokenizer_puts_around_a_text_is_there_unless_left_out()
    {
        string file = Path.Combine(AppContext.BaseDirectory, "cases", "bos-template.json");
        Assert.Equal("[256,104,105]\n", Run("\"hi\"\n", "encode", "--tokenizer", file, "--json").Succeeded().Output);
        Assert.Equal("104 105\n", Run("hi\n", "encode", "--tokenizer", file, "--no-template").Succeeded().Output);
    }

    [Theory]
    [InlineData("encode", "\"a\"\n{}\n", "Line 2 of the input is not a JSON string.")]
    [InlineData("encode", "\"a\" \"b\"\n", "Line 1 of the input is not a JSON string.")]
    [InlineData("decode", "[1,2]\n[1.5]\n", "Line 2 of the input is not a JSON array of ids.")]
    [InlineData("decode", "null\n", "Line 1 of the input is not a JSON array of ids.")]
    [InlineData("decode", "[300]\n", "Token id 300 is not in the vocabulary")]
    public void A_bad_line_is_named(string command, string input, string expected) =>
        Run(input, command, "--tokenizer", "bytes", "--json").Failed(1, expected);

    [Fact]
    public void A_word_that_is_no_id_is_named() =>
        Run("1 x\n", "decode", "--tokenizer", "bytes").Failed(1, "Line 1 of the input has 'x', which is not an id.");

    private static CommandRun Run(string input, params string[] arguments) =>
        CommandRun.With(Encoding.UTF8.GetBytes(input), isInteractive: false, ["tokenizer", .. arguments]);
}
