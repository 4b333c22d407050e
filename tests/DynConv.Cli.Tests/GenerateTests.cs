using System.Text;

namespace DynConv.Cli.Tests;

public sealed class GenerateTests(TinyRun tiny)
{
    [Fact]
    public void The_text_begins_with_the_prompt_and_the_same_seed_continues_it_the_same_way()
    {
        string first = Generate("Line 12", "--seed", "3").Output;
        Assert.StartsWith("Line 12", first, StringComparison.Ordinal);
        Assert.EndsWith("\n", first, StringComparison.Ordinal);
        Assert.Equal(first, Generate("Line 12", "--seed", "3").Output);
        Assert.NotEqual(first, Generate("Line 12", "--seed", "4").Output);
    }

    [Fact]
    public void Greedy_text_does_not_depend_on_the_seed_and_neither_does_choosing_among_one()
    {
        string greedy = Generate("Line 12", "--temperature", "0").Output;
        Assert.Equal(greedy, Generate("Line 12", "--temperature", "0", "--seed", "9").Output);
        Assert.Equal(greedy, Generate("Line 12", "--top-k", "1", "--seed", "9").Output);
        Assert.Equal(greedy, Generate("Line 12", "--top-p", "0.000001", "--seed", "9").Output);
    }

    [Fact]
    public void A_prompt_may_be_empty_or_begin_like_something_else()
    {
        Assert.NotEqual("\n", Generate("").Output);
        Assert.StartsWith("@home", Generate("@home").Output, StringComparison.Ordinal);
        Assert.StartsWith("--prompt", CommandRun.Of("generate", "--model", tiny.Folder, "--prompt=--prompt", "--max-tokens", "3").SucceededWithNotes().Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_prompt_longer_than_the_context_is_said()
    {
        CommandRun run = Generate(new string('x', 3 * TinyRun.Context));
        Assert.StartsWith(new string('x', 3 * TinyRun.Context), run.Output, StringComparison.Ordinal);
        Assert.Contains("note: the prompt has 48 tokens and the model's context is 16, so only the last 16 are read\n", run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("the prompt has", Generate(new string('x', TinyRun.Context)).Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_prompt_comes_from_a_file_or_from_standard_input()
    {
        using var folder = new TemporaryFolder();
        string expected = Generate("Line 12\n of").Output;
        foreach (byte[] text in (byte[][])["Line 12\n of"u8.ToArray(), "Line 12\n of\n"u8.ToArray(), [0xEF, 0xBB, 0xBF, .. "Line 12\n of\r\n"u8], [0xFF, 0xFE, .. Encoding.Unicode.GetBytes("Line 12\n of")]])
        {
            Assert.Equal(expected, Sample("--prompt-file", folder.Write("prompt.txt", text)).Output);
            Assert.Equal(expected, CommandRun.With(text, false, Arguments("--prompt-file", "-")).SucceededWithNotes().Output);
        }

        CommandRun.Of(Arguments("--prompt-file", folder.At("nothing"))).Failed(1, "The prompt in", "nothing");
        CommandRun.Of(Arguments()).Failed(2, "give one of --prompt and --prompt-file");
        CommandRun.Of(Arguments("--prompt", "a", "--prompt-file", "-")).Failed(2, "give one of --prompt and --prompt-file");
    }

    [Fact]
    public void The_speed_is_said_beside_the_text()
    {
        Assert.Matches(@"^note: 30 tokens after a prompt of 7, [\d,.]+ tokens/s after the first\n$", Generate("Line 12").Error);
        Assert.Equal("note: 1 token after a prompt of 7\n", Generate("Line 12", "--max-tokens", "1").Error);
    }

    [Fact]
    public void Text_ends_before_the_first_stop_string()
    {
        string whole = Generate("Line 12", "--temperature", "0").Output[..^1];
        string stop = whole[15..19];
        string wanted = whole[..whole.IndexOf(stop, 7, StringComparison.Ordinal)];
        Assert.Equal(wanted + "\n", Generate("Line 12", "--temperature", "0", "--stop", "never there", stop).Output);
        Assert.Equal(wanted + "\n", Generate("Line 12", "--temperature", "0", "--stop", stop, "--stop", "never there").Output);
    }

    [Fact]
    public void Min_p_of_one_is_greedy_and_a_repetition_penalty_changes_the_text()
    {
        string greedy = Generate("Line 12", "--temperature", "0").Output;
        Assert.Equal(greedy, Generate("Line 12", "--min-p", "1").Output);
        Assert.NotEqual(greedy, Generate("Line 12", "--temperature", "0", "--repetition-penalty", "5").Output);
    }

    [Fact]
    public void No_new_token_is_the_prompt_alone() => Assert.Equal("Line 1\n", Generate("Line 1", "--max-tokens", "0").Output);

    [Fact]
    public void A_terminal_gets_no_control_characters_and_a_file_gets_the_bytes_as_they_are()
    {
        using var folder = new TemporaryFolder();
        byte[] prompt = [.. "\e[31mred\n\tnew "u8, 0xFF, .. " é"u8];
        string[] arguments = ["generate", "--model", tiny.Folder, "--prompt-file", folder.Write("p.txt", prompt), "--max-tokens", "0"];
        Assert.Equal("\uFFFD[31mred\n\tnew \uFFFD é\n", CommandRun.Of(isInteractive: true, arguments).SucceededWithNotes().Output);
        Assert.Equal([.. prompt, (byte)'\n'], CommandRun.Of(arguments).SucceededWithNotes().Bytes);
    }

    [Theory]
    [InlineData("--temperature", "-1", "temperature is -1")]
    [InlineData("--temperature", "NaN", "temperature is NaN")]
    [InlineData("--top-p", "2", "top-p is 2")]
    [InlineData("--top-p", "0", "top-p is 0")]
    [InlineData("--min-p", "1.5", "min-p is 1.5")]
    [InlineData("--repetition-penalty", "0", "repetition penalty is 0")]
    [InlineData("--stop", "", "A stop string is empty")]
    public void Numbers_out_of_range_are_refused_before_anything_is_written(string option, string value, string problem)
    {
        CommandRun run = CommandRun.Of("generate", "--model", tiny.Folder, "--prompt", "x", option, value).Failed(1, problem);
        Assert.Equal("", run.Output);
    }

    private static string[] Limit(string[] more) => more.Contains("--max-tokens") ? [] : ["--max-tokens", "30"];

    private CommandRun Generate(string prompt, params string[] more) => Sample(["--prompt", prompt, .. more]);

    private CommandRun Sample(params string[] more) => CommandRun.Of(Arguments(more)).SucceededWithNotes();

    private string[] Arguments(params string[] more) => ["generate", "--model", tiny.Folder, .. Limit(more), .. more];
}
