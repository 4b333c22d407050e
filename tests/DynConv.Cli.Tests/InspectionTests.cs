using System.Text;
using System.Text.RegularExpressions;

namespace DynConv.Cli.Tests;

/// <summary><c>params</c>, <c>info</c> and <c>verify</c>.</summary>
public sealed class InspectionTests(TinyRun tiny)
{
    [Theory]
    [InlineData("params --preset 300m", 305_169_408)]
    [InlineData("params --preset 300m --conv lowrank --rank 16 --width 4 --placement qkv", 309_298_176)]
    [InlineData("params --preset nano --tokenizer bytes", 824_576)]
    public void The_count_of_parameters_ends_with_the_total(string arguments, long total)
    {
        CommandRun run = CommandRun.Of(arguments.Split(' ')).Succeeded();
        Assert.Equal($"total {total}", run.OutputLines[^1]);
        long sum = run.OutputLines[..^1].Sum(line => long.Parse(line.Split(' ')[^1].Replace(",", "", StringComparison.Ordinal)));
        Assert.Equal(total, sum);
    }

    [Fact]
    public void The_count_of_a_configuration_file_is_that_of_the_model_it_trains()
    {
        string total = CommandRun.Of("params", "--config", tiny.Config).Succeeded().OutputLines[^1];
        string trained = Regex.Match(tiny.Training.Output, "([0-9,]+) parameters").Groups[1].Value;
        Assert.Equal($"total {trained.Replace(",", "", StringComparison.Ordinal)}", total);
    }

    [Fact]
    public void A_count_refuses_what_does_not_fit_and_says_what_would() =>
        CommandRun.Of("params", "--conv", "headwise", "--head-size", "5").Failed(1, "Head size 5", "128 channels of q", "1, 2, 4, 8");

    [Fact]
    public void Info_shows_the_machine_and_each_library_that_was_looked_for()
    {
        string output = CommandRun.Of("info").Succeeded().Output;
        foreach (string name in (string[])["dynconv", ".NET", "processor", "vectors", "cores", "memory", "devices", "driver", "NVRTC", "cuBLASLt", "kernels", "OpenBLAS", "products"])
        {
            Assert.Matches($"(?m)^{Regex.Escape(name)} +[^ ]", output);
        }

        Assert.Matches("(?m)^devices +cpu", output);
        Assert.Matches("(?m)^OpenBLAS +(/.*libopenblas|not found: .)", output);
    }

    [Fact]
    public void Vectors_that_agree_pass_and_a_folder_of_them_is_counted()
    {
        CommandRun run = CommandRun.Of("verify", Golden("swiglu_d32.safetensors"), Golden("rope_k8.safetensors")).Succeeded();
        Assert.All(run.OutputLines[..^1], line => Assert.Matches(@"^ok    .+ \d\.\de[+-]\d\d", line));
        Assert.EndsWith(" passed, 0 failed, 0 skipped", run.OutputLines[^1], StringComparison.Ordinal);
    }

    [Fact]
    public void A_vector_that_disagrees_fails_with_its_name()
    {
        using var folder = new TemporaryFolder();
        byte[] vector = File.ReadAllBytes(Golden("swiglu_d32.safetensors"));

        // The last bytes are the end of some tensor; this sign makes the largest error.
        vector[^1] ^= 0x80;
        CommandRun run = CommandRun.Of("verify", folder.Write("broken.safetensors", vector)).Failed(1, "outside");
        Assert.Contains(run.OutputLines, line => line.StartsWith("FAIL  broken", StringComparison.Ordinal));
    }

    [Fact]
    public void Vectors_of_unknown_ops_are_skipped_and_never_passed()
    {
        using var folder = new TemporaryFolder();
        string vector = Encoding.Latin1.GetString(File.ReadAllBytes(Golden("swiglu_d32.safetensors")));
        byte[] unknown = Encoding.Latin1.GetBytes(vector.Replace("\"swiglu\"", "\"swigly\"", StringComparison.Ordinal));
        CommandRun run = CommandRun.Of("verify", folder.Write("swigly.safetensors", unknown)).Failed(1, "No vector could be compared");
        Assert.StartsWith("skip  swigly", run.OutputLines[0], StringComparison.Ordinal);
        Assert.Equal("0 passed, 0 failed, 1 skipped", run.OutputLines[^1]);
    }

    [Fact]
    public void Verify_refuses_what_holds_no_vectors()
    {
        using var folder = new TemporaryFolder();
        CommandRun.Of("verify", folder.At("nothing")).Failed(1, "nothing");
        CommandRun.Of("verify", folder.Root).Failed(1, "holds no conformance vectors");
        CommandRun.Of("verify", tiny.Text).Failed(1, "text.txt", "not a safetensors file");
    }

    private static string Golden(string name) => Path.Combine(AppContext.BaseDirectory, "golden", "ops", name);

    [Fact]
    public void A_plot_has_a_curve_for_each_run()
    {
        using var folder = new TemporaryFolder();
        string path = Path.Combine(folder.Root, "loss.svg");
        CommandRun.Of("plot", tiny.Folder, tiny.Folder, "--out", path, "--title", "Two < runs").Succeeded();
        string picture = System.Xml.Linq.XDocument.Load(path).ToString();
        Assert.Equal(2, Regex.Count(picture, "<polyline"));
        Assert.Contains("Two &lt; runs", picture, StringComparison.Ordinal);
        CommandRun.Of("plot", folder.Root, "--out", path).Failed(1, "holds no run");
    }

    [Fact]
    public void A_plot_says_what_does_not_compare_and_draws_what_does()
    {
        using var folder = new TemporaryFolder();
        string path = Path.Combine(folder.Root, "loss.svg");
        string words = folder.Folder("words");
        File.WriteAllText(Path.Combine(words, "run.yaml"), "tokenizer: bpe.json\n");
        File.WriteAllText(
            Path.Combine(words, "metrics.jsonl"),
            "{\"step\":1,\"loss\":8}\nnonsense\n{\"step\":1,\"valid_loss\":8,\"valid_bits_per_byte\":2}\n{\"step\":2,\"valid_loss\":4,\"valid_bits_per_byte\":1}\n");
        CommandRun mixed = CommandRun.Of("plot", tiny.Folder, words, "--out", path).SucceededWithNotes();
        Assert.Contains("different tokenizers (bytes, bpe.json)", mixed.Error, StringComparison.Ordinal);
        Assert.Contains("metrics.jsonl, line 2 is not a line of metrics and was left out.", mixed.Error, StringComparison.Ordinal);
        Assert.Contains("loss (nats a token)", File.ReadAllText(path), StringComparison.Ordinal);

        Assert.DoesNotContain("tokenizers", CommandRun.Of("plot", words, "--out", path, "--bits-per-byte").SucceededWithNotes().Error, StringComparison.Ordinal);
        Assert.Contains("loss (bits a byte)", File.ReadAllText(path), StringComparison.Ordinal);
        Assert.Contains("step 2: 1<", File.ReadAllText(path), StringComparison.Ordinal);
        File.WriteAllText(Path.Combine(words, "metrics.jsonl"), "{\"step\":1,\"loss\":8}\n");
        CommandRun.Of("plot", words, "--out", path, "--bits-per-byte").Failed(1, "has no validation yet");
    }

    [Fact]
    public void A_run_that_started_from_another_has_its_tokenizer()
    {
        using var folder = new TemporaryFolder();
        string further = folder.At("further");
        CommandRun.Of(
            "train", "--init", tiny.Folder, "--data", tiny.Text, "--valid", tiny.OtherText, "--out", further,
            "--steps", "2", "--batch", "2", "--context", "16", "--device", "cpu").Succeeded();
        CommandRun.Of("plot", tiny.Folder, further, "--out", folder.At("loss.svg")).Succeeded();
    }
}
