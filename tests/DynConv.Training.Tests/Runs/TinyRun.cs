using System.Text;
using System.Text.Json.Nodes;
using DynConv.Modules;
using DynConv.Training.Runs;

namespace DynConv.Training.Tests.Runs;

/// <summary>A text of a few thousand bytes, a model of a few thousand parameters, and folders that are gone at the end.</summary>
internal sealed class TinyRun : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("dynconv-run-").FullName;

    public TinyRun()
    {
        Text = this["text.txt"];
        File.WriteAllText(Text, Words(6000));
        Configuration = new TrainingConfiguration
        {
            Data = [Text],
            Model = new ModelOverrides { HiddenSize = 16, IntermediateSize = 24, Layers = 2, AttentionHeads = 2, KeyValueHeads = 1 },
            Rank = 4,
            Context = 16,
            Batch = 4,
            Steps = 10,
            LearningRate = 1e-2,
            ValidateEvery = 4,
            ValidationTokens = 64,
            CheckpointEvery = 3,
            Seed = 11,
            Device = "cpu",
        };
    }

    public string Text { get; }

    public TrainingConfiguration Configuration { get; set; }

    public string this[string name] => Path.Combine(_root, name);

    public TrainingResult Start(string name = "run", Recorder? recorder = null)
    {
        recorder ??= new Recorder();
        return TrainingRun.Start(Configuration, this[name], recorder, recorder.Stop);
    }

    public TrainingResult Resume(string name = "run", Recorder? recorder = null)
    {
        recorder ??= new Recorder();
        return TrainingRun.Resume(this[name], recorder, recorder.Stop);
    }

    public string StartFailure(string name = "run") => Assert.ThrowsAny<DynConvException>(() => Start(name)).Message;

    public string ResumeFailure(string name = "run") => Assert.ThrowsAny<DynConvException>(() => Resume(name)).Message;

    public byte[] Bytes(params string[] names) => File.ReadAllBytes(Path.Combine([_root, .. names]));

    public string Checkpoint(long step, string run = "run") => Path.Combine(_root, run, "checkpoints", $"step-{step:D9}");

    public string[] Checkpoints(string run = "run") =>
        [.. Directory.GetDirectories(Path.Combine(_root, run, "checkpoints")).Select(path => Path.GetFileName(path)!).Order(StringComparer.Ordinal)];

    /// <summary>The lines of <c>metrics.jsonl</c> without what a clock has measured.</summary>
    public string[] Metrics(string run = "run") => [.. File.ReadLines(Path.Combine(_root, run, "metrics.jsonl")).Select(line =>
    {
        JsonObject node = JsonNode.Parse(line)!.AsObject();
        node.Remove("seconds");
        node.Remove("tokens_per_second");
        node.Remove("mfu");
        return node.ToJsonString();
    })];

    public double[] Losses(string run = "run") =>
        [.. Metrics(run).Select(line => JsonNode.Parse(line)!["loss"]).OfType<JsonNode>().Select(loss => (double)loss)];

    /// <summary>Compares all that two finished runs have computed, bit for bit.</summary>
    public void AssertSameOutcome(string expected, string actual)
    {
        Assert.Equal(Metrics(expected), Metrics(actual));
        Assert.Equal(Checkpoints(expected), Checkpoints(actual));
        foreach (string checkpoint in Checkpoints(expected))
        {
            Assert.Equal(Bytes(expected, "checkpoints", checkpoint, "model.safetensors"), Bytes(actual, "checkpoints", checkpoint, "model.safetensors"));
            Assert.Equal(Bytes(expected, "checkpoints", checkpoint, "optimizer.safetensors"), Bytes(actual, "checkpoints", checkpoint, "optimizer.safetensors"));
        }

        Assert.Equal(Bytes(expected, "model.safetensors"), Bytes(actual, "model.safetensors"));
    }

    public void Dispose() => Directory.Delete(_root, recursive: true);

    /// <summary>Text with something to learn in it.</summary>
    public static string Words(int length)
    {
        string[] words = ["the", "filter", "of", "a", "token", "is", "made", "from", "it", "and", "short", "convolutions", "mix", "channels", ".\n"];
        var random = new RandomSource(1);
        var text = new StringBuilder();
        while (text.Length < length)
        {
            text.Append(words[(int)(random.NextDouble() * words.Length)]).Append(' ');
        }

        return text.ToString();
    }
}
