using System.Globalization;

namespace DynConv.Cli.Tests;

/// <summary>A model that trains in a moment, its data, and a finished run of it that tests read and never change.</summary>
public sealed class TinyRun : IDisposable
{
    public const int Steps = 20;
    public const int Context = 16;

    private const string Settings = """
        preset: nano
        model:
          hidden_size: 16
          layers: 1
          attention_heads: 2
        context: 16
        batch: 2
        rank: 4
        device: cpu
        """;

    private readonly TemporaryFolder _folder = new();

    public TinyRun()
    {
        Config = _folder.Write("tiny.yaml", Settings);
        Text = _folder.Write("text.txt", Sentences(0, 400));
        OtherText = _folder.Write("other.txt", Sentences(1000, 60));
        Folder = _folder.At("run");
        Training = CommandRun.Of("train", "--config", Config, "--data", Text, "--valid", OtherText, "--out", Folder, "--steps", $"{Steps}");
    }

    public string Config { get; }

    public string Text { get; }

    public string OtherText { get; }

    public string Folder { get; }

    /// <summary>What the training wrote.</summary>
    public CommandRun Training { get; }

    /// <summary>The arguments of another run of the same kind.</summary>
    public string[] Train(string folder, params string[] more) => ["train", "--config", Config, "--data", Text, "--out", folder, .. more];

    /// <summary>The model's files in another folder, for tests that damage them.</summary>
    public string CopyModel(string folder)
    {
        Directory.CreateDirectory(folder);
        foreach (string name in new[] { "config.json", "model.safetensors", "tokenizer.json" })
        {
            File.Copy(Path.Combine(Folder, name), Path.Combine(folder, name));
        }

        return folder;
    }

    public void Dispose() => _folder.Dispose();

    private static string Sentences(int first, int count) => string.Concat(Enumerable.Range(first, count).Select(
        i => string.Create(CultureInfo.InvariantCulture, $"Line {i} of the text says that {i} times {i} is {(long)i * i}.\n")));
}
