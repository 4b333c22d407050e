using DynConv.Tests;
using DynConv.Training.Runs;

namespace DynConv.Training.Tests.Runs;

/// <summary>Whatever happens to a file of a run's folder: the run ends in the same weights, or a sentence says what is wrong.</summary>
public sealed class RunFolderFuzzTests : IDisposable
{
    private const int Cases = 5;
    private const string Newest = "checkpoints/step-000000004";

    private static readonly FuzzLimits Limits = new(Allocation: 512L << 20);

    private readonly TinyRun _run = new();

    public RunFolderFuzzTests()
    {
        _run.Configuration = _run.Configuration with
        {
            Model = new ModelOverrides { HiddenSize = 8, IntermediateSize = 8, Layers = 1, AttentionHeads = 1 },
            Steps = 5,
            ValidateEvery = 2,
            CheckpointEvery = 2,
            Batch = 1,
        };
        _run.Start("whole");
        _run.Start("stopped", new Recorder { StopAfter = 4 });
    }

    public void Dispose() => _run.Dispose();

    [Theory]
    [InlineData("metrics.jsonl")]
    [InlineData(Newest + "/state.json")]
    [InlineData(Newest + "/manifest.json")]
    [InlineData(Newest + "/settings.yaml")]
    [InlineData(Newest + "/model.safetensors")]
    [InlineData(Newest + "/optimizer.safetensors")]
    [InlineData("data/train/manifest.json")]
    public void The_run_ends_in_the_same_weights(string file)
    {
        FuzzResult result = Damage(file, () =>
        {
            _run.Resume();
            Assert.Equal(_run.Bytes("whole", "model.safetensors"), _run.Bytes("run", "model.safetensors"));
        });

        // There is always a checkpoint before, and the text is there: nothing of this needs to stop a run.
        Assert.Equal(0, result.Refused);
    }

    [Fact]
    public void Settings_are_refused_or_may_change() => Damage(RunFile.Name, () =>
        Assert.InRange(_run.Resume(recorder: new Recorder { StopAfter = 5 }).Steps, 4, 5));

    [Fact]
    public void A_checkpoint_that_vouches_for_a_damaged_state_is_refused_in_a_sentence() => Damage(Newest + "/state.json", () =>
    {
        CheckpointManifest.Write(Path.Combine(_run["run"], Newest));
        _run.Resume(recorder: new Recorder { StopAfter = 5 });
    });

    private FuzzResult Damage(string file, Action resume) => Fuzz.Bytes(
        file.Replace('/', ' '),
        [_run.Bytes("stopped", file)],
        bytes =>
        {
            if (Directory.Exists(_run["run"]))
            {
                Directory.Delete(_run["run"], recursive: true);
            }

            Copy(_run["stopped"], _run["run"]);
            File.WriteAllBytes(Path.Combine(_run["run"], file), bytes);
            resume();
        },
        Limits,
        Cases);

    private static void Copy(string from, string to)
    {
        foreach (string path in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
        {
            string copy = Path.Combine(to, Path.GetRelativePath(from, path));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(path, copy);
        }
    }
}
