namespace DynConv.Cli.Tests;

public sealed class UsageTests
{
    public static TheoryData<string, string> Wrong => new()
    {
        { "trian", "'trian' is not a command; the commands are train, eval" },
        { "--foo", "'--foo' is not an option" },
        { "tokenizer tran", "'tran' is not a command" },
        { "train", "'--out'" },
        { "train --out x", "--data PATH" },
        { "train --out", "--out" },
        { "train --data a --out b --foo", "--foo" },
        { "train --data a --out b --steps abc", "--steps is 'abc'; it has to be a whole number" },
        { "train --data a --out b --steps 1 --steps 2", "--steps" },
        { "train --data a --out b --steps 1 --tokens 2", "give one of the two" },
        { "train --data a --out b --width 99999999999", "--width is '99999999999'; it has to be from" },
        { "train --data a --out b --seed -1", "from 0 to 18446744073709551615" },
        { "train --data a --out b --lr 0,1", "--lr is '0,1'; it has to be a number" },
        { "train --data a --out b --conv dense", "--conv is 'dense'; it can be none, static, headwise, lowrank" },
        { "train --data a --out b --device gpu", "--device is 'gpu'; it can be auto, cpu, cuda" },
        { "train --data a --out b --threads 0", "--threads is '0'; it has to be at least 1" },
        { "eval --data a", "'--model'" },
        { "eval --model a --data b --context 0", "--context is '0'" },
        { "eval --model a --data b --batch 0", "--batch is '0'" },
        { "generate --model a", "--prompt" },
        { "generate --model a --prompt b --max-tokens -1", "--max-tokens is '-1'" },
        { "generate --model a --prompt b --top-k -1", "--top-k is '-1'" },
        { "generate --model a --prompt b --temperature hot", "--temperature is 'hot'; it has to be a number" },
        { "tokenizer train --data a --out b --vocab-size many", "--vocab-size is 'many'" },
        { "tokenizer train --data a --out b --vocab-size 300 --pattern gpt9", "--pattern is 'gpt9'" },
        { "recall --task copy", "--task is 'copy'; it can be some of mixed-recall, mqar, ngram-recall, noisy-recall" },
        { "recall --conv none,dense", "--conv is 'dense'; it can be some of none, static, headwise, lowrank" },
        { "recall --conv ,", "--conv is ''; it can be some of" },
        { "recall --pairs 2,x", "--pairs is 'x'; it has to be a whole number" },
        { "recall --pairs 0", "--pairs is '0'; it has to be at least 1" },
        { "recall --pairs ,", "--pairs is empty; it needs a number" },
        { "recall --lr 0.1,fast", "--lr is 'fast'; it has to be a number" },
        { "recall --seeds 0", "--seeds is '0'; it has to be at least 1" },
        { "recall --device tpu", "--device is 'tpu'" },
        { "report x", "'--out'" },
        { "report --out x.html", "DIR" },
        { "watch", "DIR" },
        { "watch x --port 0", "--port is '0'; it has to be at least 1" },
        { "params --data a", "--data" },
        { "verify", "PATH" },
        { "bench matmul --device tpu", "--device is 'tpu'" },
        { "bench ops --op tan", "--op is 'tan'; it can be some of static" },
        { "bench ops --op bias --sizes K=3", "--sizes: bias has no K; its sizes are N=4096 D=1024" },
        { "bench ops --op bias --sizes N", "--sizes: Sizes are written as in B=4 T=4096, not as N." },
        { "bench ops --op bias --sizes N=99999999999", "--sizes: N=99999999999: sizes go up to 2147483647." },
        { "bench train --steps 0", "--steps is '0'; it has to be at least 1" },
        { "bench train --data a", "--data" },
        { "info more", "'more'" },
    };

    [Theory]
    [InlineData("--data", "train", "--out", "x", "--data", "")]
    [InlineData("--out", "train", "--data", "x", "--out", " ")]
    [InlineData("--valid", "train", "--data", "x", "--out", "y", "--valid", "")]
    [InlineData("--model", "eval", "--data", "x", "--model", "")]
    [InlineData("--prompt-file", "generate", "--model", "x", "--prompt-file", "")]
    [InlineData("DIR", "plot", "", "--out", "x")]
    [InlineData("--config", "ablate", "--config", "", "--out", "x")]
    public void What_a_shell_makes_of_an_unset_variable_is_named(string name, params string[] arguments) =>
        CommandRun.Of(arguments).Failed(2, $"error: {name} is empty. See 'dynconv ");

    [Theory]
    [MemberData(nameof(Wrong))]
    public void Wrong_usage_is_one_line_that_names_the_problem_and_the_help(string arguments, string problem)
    {
        string[] words = arguments.Split(' ');
        string command = words[0] is "tokenizer" or "bench" && words[1] is "train" or "matmul" or "ops" ? $"{words[0]} {words[1]}" : words[0];
        CommandRun run = CommandRun.Of(words).Failed(2, problem, "See 'dynconv", "--help'.");
        if (!problem.Contains("is not a", StringComparison.Ordinal))
        {
            Assert.Contains($"'dynconv {command} --help'", run.Error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_failure_that_nobody_foresaw_is_one_line_too()
    {
        using var error = new StringWriter { NewLine = "\n" };
        var context = new CliContext(new BrokenWriter(), error, Spectre.Console.AnsiConsole.Console, IsInteractive: false);
        Assert.Equal(1, CommandLineApplication.Run(["info"], context));
        Assert.Equal("error: InvalidTimeZoneException: first second (set DYNCONV_DEBUG=1 to see where)\n", error.ToString());
    }

    private sealed class BrokenWriter : StringWriter
    {
        public override void WriteLine(string? value) => throw new InvalidTimeZoneException("first\nsecond");
    }
}
