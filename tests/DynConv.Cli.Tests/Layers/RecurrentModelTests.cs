using System.Globalization;
using System.Text.RegularExpressions;
using DynConv.Models;
using DynConv.Tests;

namespace DynConv.Cli.Tests.Layers;

/// <summary>Gated DeltaNet and Mamba-2 from the command line: trained, stopped and resumed, evaluated, generated from.</summary>
public sealed partial class RecurrentModelTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("nano-gdn", "", "none", "gated_deltanet")]
    [InlineData("nano-mamba2", "", "lowrank", "dynconv")]
    [InlineData("nano", "gdn*2,attention,mamba2", "headwise", "dynconv")]
    public void A_model_is_trained_resumed_measured_and_generated_from(string preset, string mixers, string conv, string type)
    {
        string data = Path.Combine(Repository.Folder, "docs");
        string[] run =
        [
            "train", "--preset", preset, .. mixers.Length > 0 ? new[] { "--mixer", mixers } : [], "--conv", conv, "--data", data, "--context", "64",
            "--batch", "4", "--lr", "0.005", "--checkpoint-every", "20", "--device", "cpu", "--steps",
        ];
        CommandRun.Of([.. run, "40", "--out", _folder.At("whole")]).Succeeded();
        double[] losses = [.. File.ReadLines(_folder.At("whole", "metrics.jsonl")).Where(line => line.Contains("\"loss\"", StringComparison.Ordinal))
            .Select(line => double.Parse(LossValue().Match(line).Groups[1].Value, CultureInfo.InvariantCulture))];
        Assert.InRange(losses[^5..].Average(), 0, 0.75 * losses[0]);
        Assert.Contains($"\"model_type\": \"{type}\"", File.ReadAllText(_folder.At("whole", "config.json")), StringComparison.Ordinal);

        Directory.CreateDirectory(_folder.At("parts", "checkpoints"));
        File.Copy(_folder.At("whole", "run.yaml"), _folder.At("parts", "run.yaml"));
        File.Copy(_folder.At("whole", "metrics.jsonl"), _folder.At("parts", "metrics.jsonl"));
        string middle = Directory.GetDirectories(_folder.At("whole", "checkpoints")).Order(StringComparer.Ordinal).First();
        CopyFolder(middle, _folder.At("parts", "checkpoints", Path.GetFileName(middle)));
        CommandRun.Of("train", "--out", _folder.At("parts"), "--resume").Succeeded();
        Assert.Equal(File.ReadAllBytes(_folder.At("whole", "model.safetensors")), File.ReadAllBytes(_folder.At("parts", "model.safetensors")));

        CommandRun.Of("eval", "--model", _folder.At("whole"), "--data", Path.Combine(Repository.Folder, "LICENSE"), "--device", "cpu").Succeeded();
        CommandRun text = CommandRun.Of(
            "generate", "--model", _folder.At("whole"), "--prompt", "The tensor", "--max-tokens", "20", "--temperature", "0", "--device", "cpu");
        Assert.Equal(0, text.ExitCode);
        Assert.StartsWith("The tensor", text.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("gdn*0")]
    [InlineData("gdn*x")]
    [InlineData("gdn*2*2")]
    public void A_repetition_that_is_no_number_is_refused(string mixers) => CommandRun.Of("params", "--mixer", mixers).Failed(
        1, $"'{mixers}' is no mixer; a number from 1 to 10000 can stand behind *, as in attention*3.");

    [Fact]
    public void A_pattern_repeats_over_the_layers()
    {
        CommandRun run = CommandRun.Of("params", "--preset", "300m", "--mixer", "gdn*4,attention,gdn*3").Succeeded();
        ModelConfiguration gdn = Presets.Get("300m-gdn");
        ModelConfiguration plain = Presets.Get("300m");
        long wanted = ParameterCounts.Of(gdn with { Layers = [.. gdn.Layers.Select((layer, i) => i % 8 == 4 ? plain.Layers[i] : layer)] }).Total;
        Assert.Equal($"total {wanted}", run.OutputLines[^1]);
    }

    private static void CopyFolder(string from, string to)
    {
        Directory.CreateDirectory(to);
        foreach (string file in Directory.GetFiles(from))
        {
            File.Copy(file, Path.Combine(to, Path.GetFileName(file)));
        }
    }

    [GeneratedRegex("\"loss\":\\s*([0-9.eE+-]+)")]
    private static partial Regex LossValue();
}
