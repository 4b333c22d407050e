using System.Text.Json.Nodes;
using DynConv.Models;
using DynConv.Tests;

namespace DynConv.Training.Tests.Runs;

/// <summary>Training with tokenizers of other tools: what stands around and between documents.</summary>
public sealed class StrangersTokenizerTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_run_is_with_the_template_or_without_and_so_is_the_tokenizer_in_its_folder(bool template)
    {
        using var run = new TinyRun();
        run.Configuration = run.Configuration with { Tokenizer = Case("bos-template"), Template = template, Steps = 2 };
        run.Start();

        ModelTokenizer saved = ModelTokenizer.Load(run["run"]);
        Assert.Equal(template ? (int[])[256] : [], saved.Tokenizer.Template.Before);
        Assert.Equal([257], saved.EndTokens);
        JsonNode manifest = JsonNode.Parse(File.ReadAllText(Path.Combine(run["run"], "data", "train", "manifest.json")))!;
        Assert.Equal(new FileInfo(run.Text).Length + (template ? 2 : 1), (long)manifest["tokens"]!);
    }

    [Fact]
    public void A_run_says_when_nothing_stands_between_documents()
    {
        using var run = new TinyRun();
        File.Copy(Path.Combine(Case("end-token-by-config"), "tokenizer.json"), run["tokenizer.json"]);
        run.Configuration = run.Configuration with { Tokenizer = run["tokenizer.json"], Steps = 2 };
        var without = new Recorder();
        run.Start("without", without);
        Assert.Contains(without.Notes, note => note.StartsWith("The tokenizer names no token that ends a text", StringComparison.Ordinal));

        File.WriteAllText(run["tokenizer_config.json"], """{"eos_token": "<eos>"}""");
        var with = new Recorder();
        run.Start("with", with);
        Assert.Empty(with.Notes);
        Assert.Equal([257], ModelTokenizer.Load(run["with"]).EndTokens);
    }

    private static string Case(string name) => Path.Combine(Repository.Folder, "tests", "cases", "models", name);
}
