using DynConv.Tests;

namespace DynConv.Cli.Tests;

/// <summary>Commands on model folders that other tools have written.</summary>
public sealed class StrangersModelTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("bos-template", "", "valid loss 6.3827")]
    [InlineData("bos-template", "--no-template", "valid loss 5.9896")]
    [InlineData("tied-head-only", "", "valid loss 6.2013")]
    [InlineData("tokenizer-larger", "", "valid loss 6.2013")]
    public void Eval_begins_and_ends_a_text_as_the_tokenizer_says(string name, string more, string wanted)
    {
        string[] arguments = ["eval", "--model", Case(name), "--data", Case("t.txt"), "--device", "cpu", .. more.Split(' ', StringSplitOptions.RemoveEmptyEntries)];
        Assert.StartsWith(wanted, Assert.Single(CommandRun.Of(arguments).Succeeded().OutputLines), StringComparison.Ordinal);
    }

    [Fact]
    public void Eval_refuses_a_text_with_a_token_that_the_model_lacks()
    {
        Copy("tokenizer-larger");
        _folder.Write("tokenizer_config.json", """{"eos_token": "[PAD]"}""");
        CommandRun.Of("eval", "--model", _folder.Root, "--data", Case("t.txt"), "--device", "cpu")
            .Failed(1, "The text has the token '[PAD]' of id 257, and the model's ids end with 256");
    }

    [Theory]
    [InlineData("end-token-by-config", "<eos>", "<|im_end|>")]
    [InlineData("bos-template", "<|end_of_text|>")]
    public void Generation_ends_at_each_end_token_and_prints_none(string name, params string[] ends)
    {
        int ended = 0;
        for (int seed = 0; seed < 8; seed++)
        {
            CommandRun run = Generate(name, "--temperature", "2", "--seed", $"{seed}");
            Assert.All(ends, end => Assert.DoesNotContain(end, run.Output, StringComparison.Ordinal));
            ended += run.Error.Contains("note: 600 tokens", StringComparison.Ordinal) ? 0 : 1;
        }

        Assert.InRange(ended, 4, 8);
    }

    [Fact]
    public void A_vocabulary_beyond_the_tokenizer_is_no_failure_in_the_middle_of_a_text() => Generate("padded-vocabulary", "--temperature", "10");

    [Fact]
    public void A_prompt_begins_with_the_template_unless_it_is_left_out()
    {
        Assert.StartsWith("note: 0 tokens after a prompt of 4", Generate("bos-template", "--max-tokens", "0").Error, StringComparison.Ordinal);
        Assert.StartsWith("note: 0 tokens after a prompt of 3", Generate("bos-template", "--max-tokens", "0", "--no-template").Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 2147483647", "num_hidden_layers is 2147483647")]
    [InlineData("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 9999", "the configuration makes 19,523,184 parameters, and the weights have 9,040")]
    [InlineData("\"hidden_size\": 16", "\"head_dim\": 1000000000, \"hidden_size\": 16", "num_attention_heads times head_dim is 4000000000")]
    [InlineData("\"num_attention_heads\": 4", "\"num_attention_heads\": 65536, \"head_dim\": 65536", "num_attention_heads times head_dim is 4294967296")]
    [InlineData("\"vocab_size\": 320", "\"vocab_size\": 2147483647", "the configuration makes 34,359,742,272 parameters, and the weights have 9,040")]
    [InlineData("\"hidden_size\": 16", "\"rope_scaling\": {\"factor\": 2}, \"hidden_size\": 16", "rope_scaling has no rope_type")]
    [InlineData("\"llama\"", "\"\\ud800\"", "model_type is not valid Unicode")]
    [InlineData("\"llama\"", "\"\\u001b[31mllama\"", "model_type is '\uFFFD[31mllama'")]
    public void A_configuration_that_cannot_be_is_one_sentence(string text, string instead, string problem)
    {
        Copy("padded-vocabulary");
        string json = File.ReadAllText(_folder.At("config.json"));
        Assert.Contains(text, json, StringComparison.Ordinal);
        _folder.Write("config.json", json.Replace(text, instead, StringComparison.Ordinal));
        CommandRun.Of("eval", "--model", _folder.Root, "--data", Case("t.txt"), "--device", "cpu").Failed(1, problem);
    }

    [Fact]
    public void A_value_of_megabytes_is_cut_in_a_message()
    {
        CommandRun run = CommandRun.Of("generate", "--model", new string('x', 3_000_000), "--prompt", "a", "--device", "cpu").Failed(1, "There is no model folder xxx");
        Assert.InRange(run.Error.Length, 500, 1100);
        Assert.InRange(CommandRun.Of("eval", "--model", "m", "--data", "d", "--dtype", new string('y', 3_000_000)).Failed(2, "yyy").Error.Length, 500, 1100);
    }

    [Fact]
    public void A_terminal_gets_no_control_characters_of_names()
    {
        string name = _folder.At("\e]0;title\a.txt");
        CommandRun run = CommandRun.Of(isInteractive: true, "tokenizer", "train", "--data", Case("t.txt"), "--vocab-size", "258", "--out", name);
        Assert.Equal(0, run.ExitCode);
        Assert.Contains("\uFFFD]0;title\uFFFD.txt: ", run.Output, StringComparison.Ordinal);
        Assert.DoesNotContain('\a', run.Output);
    }

    private void Copy(string name)
    {
        foreach (string path in Directory.GetFiles(Case(name)))
        {
            File.Copy(path, _folder.At(Path.GetFileName(path)));
        }
    }

    private static CommandRun Generate(string name, params string[] more) => CommandRun.Of(
        ["generate", "--model", Case(name), "--prompt", "One", "--device", "cpu", .. more.Contains("--max-tokens") ? (string[])[] : ["--max-tokens", "600"], .. more]).SucceededWithNotes();

    private static string Case(string name) => Path.Combine(Repository.Folder, "tests", "cases", "models", name);
}
