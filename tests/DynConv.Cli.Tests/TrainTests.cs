using System.Text.Json.Nodes;
using System.Xml.Linq;

namespace DynConv.Cli.Tests;

public sealed class TrainTests(TinyRun tiny)
{
    [Fact]
    public void A_run_ends_with_the_result_and_leaves_all_its_files()
    {
        CommandRun run = tiny.Training.Succeeded();
        Assert.Matches(@"^valid loss \d+\.\d{6} ppl \d+\.\d{4} bits/byte \d+\.\d{6}$", run.OutputLines[^1]);
        string[] names = [.. Directory.EnumerateFileSystemEntries(tiny.Folder).Select(Path.GetFileName).Order(StringComparer.Ordinal)!];
        Assert.Equal(["checkpoints", "config.json", "data", "generation_config.json", "loss.svg", "metrics.jsonl", "model.safetensors", "run.yaml", "tokenizer.json", "tokenizer_config.json"], names);
    }

    [Fact]
    public void Progress_that_is_not_for_a_terminal_is_plain_lines()
    {
        string output = tiny.Training.Output;
        Assert.DoesNotContain('\e', output);
        Assert.DoesNotContain('\r', output);
        Assert.Matches(@"(?m)^step 1/20  loss \d\.\d{4}  lr .* tokens/s  .* left$", output);
        Assert.Matches(@"(?m)^step 20/20  loss ", output);
        Assert.Matches(@"(?m)^step 10  valid loss \d\.\d{4}$", output);
    }

    [Fact]
    public void Evaluating_the_model_on_the_validation_text_gives_the_very_line_that_training_ended_with()
    {
        CommandRun evaluation = CommandRun.Of("eval", "--model", tiny.Folder, "--data", tiny.OtherText).Succeeded();
        Assert.Equal(tiny.Training.OutputLines[^1], Assert.Single(evaluation.OutputLines));
    }

    [Fact]
    public void Packed_training_says_so_and_is_evaluated_and_resumed_as_such()
    {
        using var folder = new TemporaryFolder();
        string valid = folder.Write("valid.jsonl", string.Concat(Enumerable.Range(0, 30).Select(i => $"{{\"text\":\"Document {i}.\"}}\n")));
        CommandRun training = CommandRun.Of(tiny.Train(folder.At("run"), "--steps", "3", "--valid", valid, "--pack")).Succeeded();
        Assert.Contains("3 steps of 2 x 16 tokens, documents packed, on cpu", training.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("packed", tiny.Training.Output, StringComparison.Ordinal);
        string packed = CommandRun.Of("eval", "--model", folder.At("run"), "--data", valid, "--pack").Succeeded().OutputLines[^1];
        Assert.Equal(training.OutputLines[^1], packed);
        Assert.NotEqual(packed, CommandRun.Of("eval", "--model", folder.At("run"), "--data", valid).Succeeded().OutputLines[^1]);
        CommandRun.Of("train", "--out", folder.At("run"), "--resume", "--pack").Succeeded();
        CommandRun.Of("train", "--out", tiny.Folder, "--resume", "--pack").Failed(1, "'pack: true' is not what");
    }

    [Fact]
    public void Metrics_are_a_line_of_JSON_for_each_step_and_validation_and_the_curve_is_an_image()
    {
        JsonNode[] metrics = [.. File.ReadLines(Path.Combine(tiny.Folder, "metrics.jsonl")).Select(line => JsonNode.Parse(line)!)];
        Assert.Equal(Enumerable.Range(1, TinyRun.Steps), metrics.Where(line => line["loss"] is not null).Select(line => (int)line["step"]!));
        JsonNode last = metrics[^1];
        Assert.StartsWith($"valid loss {(double)last["valid_loss"]!:0.000000} ", tiny.Training.OutputLines[^1], StringComparison.Ordinal);
        Assert.Equal("svg", XDocument.Load(Path.Combine(tiny.Folder, "loss.svg")).Root!.Name.LocalName);
    }

    [Fact]
    public void The_command_line_overrides_the_file_and_the_resolved_settings_are_kept()
    {
        using var folder = new TemporaryFolder();
        CommandRun.Of(tiny.Train(folder.At("run"), "--context", "8", "--tokens", "40", "--conv", "static", "--qk-norm", "--seed", "7")).Succeeded();
        string[] settings = File.ReadAllLines(folder.At("run", "run.yaml"));
        foreach (string line in (string[])["context: 8", "batch: 2", "steps: 3", "conv: static", "qk_norm: true", "seed: 7", "  hidden_size: 16"])
        {
            Assert.Contains(line, settings);
        }
    }

    [Fact]
    public void A_plain_model_is_a_Llama_and_a_convolved_one_says_what_it_is()
    {
        using var folder = new TemporaryFolder();
        CommandRun.Of(tiny.Train(folder.At("plain"), "--conv", "none", "--steps", "1")).Succeeded();
        Assert.Equal("llama", (string?)JsonNode.Parse(File.ReadAllText(folder.At("plain", "config.json")))!["model_type"]);
        Assert.Equal("dynconv_llama", (string?)JsonNode.Parse(File.ReadAllText(Path.Combine(tiny.Folder, "config.json")))!["model_type"]);
    }

    [Fact]
    public void The_same_seed_gives_the_same_bytes_whatever_the_number_of_threads_and_another_seed_others()
    {
        using var folder = new TemporaryFolder();
        byte[] Weights(string name, params string[] more)
        {
            CommandRun.Of(tiny.Train(folder.At(name), ["--steps", "4", .. more])).Succeeded();
            return File.ReadAllBytes(folder.At(name, "model.safetensors"));
        }

        byte[] first = Weights("a");
        Assert.Equal(first, Weights("b", "--threads", "1"));
        Assert.Equal(first, Weights("c", "--threads", "3"));
        Assert.NotEqual(first, Weights("d", "--seed", "1"));
    }

    [Fact]
    public void A_finished_run_that_is_resumed_says_its_result_again()
    {
        using var folder = new TemporaryFolder();
        CommandRun first = CommandRun.Of(tiny.Train(folder.At("run"), "--steps", "3")).Succeeded();
        byte[] weights = File.ReadAllBytes(folder.At("run", "model.safetensors"));
        CommandRun second = CommandRun.Of("train", "--out", folder.At("run"), "--resume").Succeeded();
        Assert.Equal(first.OutputLines[^1], second.OutputLines[^1]);
        Assert.Equal(weights, File.ReadAllBytes(folder.At("run", "model.safetensors")));
    }

    [Fact]
    public void A_tokenizer_that_was_trained_can_be_trained_with()
    {
        using var folder = new TemporaryFolder();
        string tokenizer = folder.At("tokenizer.json");
        CommandRun run = CommandRun.Of("tokenizer", "train", "--data", tiny.Text, "--vocab-size", "300", "--out", tokenizer).Succeeded();
        Assert.EndsWith(": 300 tokens from 1 files", run.OutputLines[^1], StringComparison.Ordinal);
        CommandRun.Of(tiny.Train(folder.At("run"), "--steps", "2", "--tokenizer", tokenizer)).Succeeded();
        CommandRun.Of("generate", "--model", folder.At("run"), "--prompt", "Line", "--max-tokens", "5").SucceededWithNotes();
        string total = CommandRun.Of("params", "--config", tiny.Config, "--tokenizer", tokenizer).Succeeded().OutputLines[^1];
        Assert.Equal(CommandRun.Of("params", "--config", folder.At("run", "run.yaml")).Succeeded().OutputLines[^1], total);
    }
}
