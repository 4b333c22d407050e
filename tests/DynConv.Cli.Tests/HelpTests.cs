namespace DynConv.Cli.Tests;

public sealed class HelpTests
{
    public static TheoryData<string> Commands =>
        ["", "train", "eval", "generate", "tokenizer", "tokenizer train", "tokenizer encode", "tokenizer decode", "tokenizer count", "recall", "ablate", "scaling", "plot", "report", "watch", "params", "verify", "bench", "bench conv", "bench matmul", "bench train", "info"];

    [Theory]
    [MemberData(nameof(Commands))]
    public void Every_command_explains_itself_with_an_example_of_itself(string command)
    {
        CommandRun run = CommandRun.Of([.. Words(command), "--help"]).Succeeded();
        Assert.Contains("Description:", run.Output, StringComparison.Ordinal);
        string example = run.Output[run.Output.IndexOf("\nExample:\n", StringComparison.Ordinal)..];
        Assert.Contains($"  dynconv {command}".TrimEnd(), example, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Commands))]
    public void The_options_of_examples_exist(string command)
    {
        string help = CommandRun.Of([.. Words(command), "--help"]).Output;
        foreach (string example in help[help.IndexOf("\nExample:\n", StringComparison.Ordinal)..].Split('\n').Skip(2).Where(line => line.Length > 0))
        {
            string[] words = example.Trim().Split(' ');
            string[] name = [.. words.Skip(1).TakeWhile(word => !word.StartsWith('-')).Take(2).Where(word => Commands.Any(row => row.Data.Split(' ').Contains(word)))];
            string owner = CommandRun.Of([.. name, "--help"]).Output;
            Assert.All(words.Where(word => word.StartsWith("--", StringComparison.Ordinal)), option => Assert.Contains(option, owner, StringComparison.Ordinal));
        }
    }

    [Fact]
    public void The_list_of_commands_has_one_line_for_each()
    {
        string output = CommandRun.Of("--help").Succeeded().Output;
        string list = output[output.IndexOf("Commands:\n", StringComparison.Ordinal)..output.IndexOf("\nExample:", StringComparison.Ordinal)];
        string[] names = [.. list.Split('\n', StringSplitOptions.RemoveEmptyEntries).Skip(1).Select(line => line.Trim().Split(' ')[0])];
        Assert.Equal(["train", "eval", "generate", "tokenizer", "recall", "ablate", "scaling", "plot", "report", "watch", "params", "verify", "bench", "info"], names);
    }

    [Fact]
    public void Train_has_the_options_that_a_run_needs()
    {
        string help = CommandRun.Of("train", "--help").Output;
        foreach (string option in (string[])
        [
            "--data", "--valid", "--out", "--preset", "--config", "--conv", "--placement", "--width", "--rank", "--head-size", "--qk-norm",
            "--tokenizer", "--steps", "--tokens", "--batch", "--accumulate", "--context", "--pack", "--recompute", "--lr", "--seed", "--threads",
            "--checkpoint-every", "--resume", "--device", "--tensorboard",
        ])
        {
            Assert.Contains($"  {option} ", help, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("", "train, eval, generate")]
    [InlineData("tokenizer", "train")]
    [InlineData("bench", "conv, ops, matmul, train")]
    public void A_missing_command_shows_the_help_and_is_wrong_usage(string command, string choices)
    {
        CommandRun run = CommandRun.Of(Words(command)).Failed(2, "A command is missing", choices, $"'{$"dynconv {command}".TrimEnd()} --help'");
        Assert.Equal(CommandRun.Of([.. Words(command), "--help"]).Output, run.Output);
    }

    [Fact]
    public void The_version_is_one_line() => Assert.Single(CommandRun.Of("--version").Succeeded().OutputLines);

    private static string[] Words(string command) => command.Split(' ', StringSplitOptions.RemoveEmptyEntries);
}
