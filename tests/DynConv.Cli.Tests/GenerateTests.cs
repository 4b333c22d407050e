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
    public void A_prompt_may_be_empty_longer_than_the_context_or_begin_like_something_else()
    {
        Assert.NotEqual("\n", Generate("").Output);
        Assert.StartsWith(new string('x', 3 * TinyRun.Context), Generate(new string('x', 3 * TinyRun.Context)).Output, StringComparison.Ordinal);
        Assert.StartsWith("@home", Generate("@home").Output, StringComparison.Ordinal);
        Assert.StartsWith("--prompt", CommandRun.Of("generate", "--model", tiny.Folder, "--prompt=--prompt", "--max-tokens", "3").Succeeded().Output, StringComparison.Ordinal);
    }

    [Fact]
    public void No_new_token_is_the_prompt_alone() => Assert.Equal("Line 1\n", Generate("Line 1", "--max-tokens", "0").Output);

    [Fact]
    public void A_terminal_gets_no_control_characters_and_a_file_gets_them_as_they_are()
    {
        const string Prompt = "\e[31mred\n\tnew";
        string[] arguments = ["generate", "--model", tiny.Folder, "--prompt", Prompt, "--max-tokens", "0"];
        Assert.Equal("\uFFFD[31mred\n\tnew\n", CommandRun.Of(isInteractive: true, arguments).Succeeded().Output);
        Assert.Equal(Prompt + "\n", CommandRun.Of(arguments).Succeeded().Output);
    }

    [Theory]
    [InlineData("--temperature", "-1", "temperature is -1")]
    [InlineData("--temperature", "NaN", "temperature is NaN")]
    [InlineData("--top-p", "2", "top-p is 2")]
    [InlineData("--top-p", "0", "top-p is 0")]
    public void Numbers_out_of_range_are_refused_before_anything_is_written(string option, string value, string problem)
    {
        CommandRun run = CommandRun.Of("generate", "--model", tiny.Folder, "--prompt", "x", option, value).Failed(1, problem);
        Assert.Equal("", run.Output);
    }

    private static string[] Limit(string[] more) => more.Contains("--max-tokens") ? [] : ["--max-tokens", "30"];

    private CommandRun Generate(string prompt, params string[] more) =>
        CommandRun.Of(["generate", "--model", tiny.Folder, "--prompt", prompt, .. Limit(more), .. more]).Succeeded();
}
