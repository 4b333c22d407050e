using System.Diagnostics;
using System.Globalization;
using DynConv.Serialization;

namespace DynConv.Training.Tests.Runs.PowerFailure;

/// <summary>
/// The file operations of a training are recorded and then broken off after each of them, with whatever was not flushed
/// lost, kept, cut short or zeroed: the run goes on from the newest checkpoint that was reported, or a newer one, and ends
/// in the weights of a run that nothing disturbed.
/// </summary>
public sealed class PowerFailureTests
{
    private const string Seconds = "DYNCONV_CRASH_SECONDS";
    private const int States = 24;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Whatever_a_power_failure_leaves_the_run_ends_in_the_same_weights(bool keepBest)
    {
        using var run = new TinyRun();
        run.Configuration = run.Configuration with
        {
            Model = new ModelOverrides { HiddenSize = 8, IntermediateSize = 8, Layers = 1, AttentionHeads = 1 },
            Steps = 5,
            ValidateEvery = 2,
            CheckpointEvery = 1,
            Batch = 1,
            KeepBest = keepBest,
        };
        (IReadOnlyList<DiskOperation> operations, List<(int Operations, long Step)> reported) = Record(run);
        byte[] weights = run.Bytes("run", "model.safetensors");

        var seen = new HashSet<string>();
        var random = new Random(5);
        var watch = Stopwatch.StartNew();
        double? seconds = double.TryParse(Environment.GetEnvironmentVariable(Seconds), CultureInfo.InvariantCulture, out double given) ? given / 2 : null;
        int tried = 0;
        while (seconds is null ? tried < States : watch.Elapsed.TotalSeconds < seconds)
        {
            int done = random.Next(operations.Count + 1);
            IReadOnlyDictionary<string, byte[]?> files = After(operations.Take(done), random);
            if (seen.Add(SimulatedDisk.Hash(files)))
            {
                long step = reported.LastOrDefault(one => one.Operations <= done).Step;
                AssertGoesOn(run, files, step, weights, $"after {done} of {operations.Count} operations");
                tried++;
            }
        }
    }

    [Fact]
    public void The_log_is_on_the_disk_before_a_checkpoint_and_a_checkpoint_before_an_older_one_goes()
    {
        using var run = new TinyRun();
        run.Configuration = run.Configuration with { Steps = 5, CheckpointEvery = 1, ValidateEvery = 2 };
        (IReadOnlyList<DiskOperation> operations, List<(int Operations, long Step)> reported) = Record(run);

        Assert.Equal([1L, 2, 3, 4, 5], reported.Select(one => one.Step));
        foreach ((int done, long step) in reported)
        {
            var disk = new SimulatedDisk();
            foreach (DiskOperation operation in operations.Take(done))
            {
                disk.Apply(operation);
            }

            IReadOnlyDictionary<string, byte[]?> safe = disk.Safe();
            string checkpoint = Path.Combine("run", "checkpoints", $"step-{step:D9}");
            Assert.Equal(9, safe.Count(file => file.Value is not null && Path.GetDirectoryName(file.Key) == checkpoint));
            string log = System.Text.Encoding.UTF8.GetString(safe[Path.Combine("run", "metrics.jsonl")]!);
            Assert.Contains($"\"step\":{step},", log, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void The_simulation_loses_what_was_not_flushed_and_nothing_else()
    {
        DiskOperation[] operations =
        [
            new DiskOperation.CreateFolder("run"),
            new DiskOperation.Flush("."),
            new DiskOperation.Create("run/a"),
            new DiskOperation.Write("run/a", 0, [1, 2, 3, 4]),
            new DiskOperation.Flush("run"),
            new DiskOperation.Rename("run/a", "run/b"),
            new DiskOperation.Flush("run/b"),
            new DiskOperation.Flush("run"),
        ];
        string[] Outcomes(int count) =>
        [
            .. Enumerable.Range(0, 200).Select(seed =>
            {
                var disk = new SimulatedDisk();
                Array.ForEach(operations[..count], disk.Apply);
                return string.Join(' ', disk.AfterFailure(new Random(seed))
                    .OrderBy(file => file.Key, StringComparer.Ordinal).Select(file => $"{file.Key}:{Convert.ToHexString(file.Value ?? [])}"));
            }).Distinct().Order(StringComparer.Ordinal),
        ];

        Assert.Equal(["", "run:"], Outcomes(1));
        Assert.Equal(["run:"], Outcomes(2));
        Assert.Equal(["run: run/a:", "run: run/a:00000000", "run: run/a:01", "run: run/a:0102", "run: run/a:010203", "run: run/a:01020304"], Outcomes(5));
        Assert.Equal(["run: run/a:01020304", "run: run/b:01020304"], Outcomes(7));
        Assert.Equal(["run: run/b:01020304"], Outcomes(8));
    }

    private static (IReadOnlyList<DiskOperation> Operations, List<(int Operations, long Step)> Reported) Record(TinyRun run)
    {
        var reported = new List<(int, long)>();
        using var disk = new RecordedDisk(Path.GetDirectoryName(run.Text)!);
        run.Start(recorder: new Recorder { AtCheckpoint = step => reported.Add((disk.Operations.Count, step)) });
        return ([.. disk.Operations], reported);
    }

    private static IReadOnlyDictionary<string, byte[]?> After(IEnumerable<DiskOperation> operations, Random random)
    {
        var disk = new SimulatedDisk();
        foreach (DiskOperation operation in operations)
        {
            disk.Apply(operation);
        }

        return random.Next(4) switch
        {
            0 => disk.Seen(),
            1 => disk.Safe(),
            _ => disk.AfterFailure(random),
        };
    }

    private static void AssertGoesOn(
        TinyRun run, IReadOnlyDictionary<string, byte[]?> files, long reported, byte[] weights, string when)
    {
        Directory.Delete(run["run"], recursive: true);
        foreach ((string path, byte[]? bytes) in files)
        {
            if (bytes is null)
            {
                Directory.CreateDirectory(run[path]);
            }
            else
            {
                File.WriteAllBytes(run[path], bytes);
            }
        }

        Directory.CreateDirectory(run["run"]);
        if (!File.Exists(Path.Combine(run["run"], RunFile.Name)))
        {
            Assert.True(reported == 0, $"{when}: the run is gone, and had a checkpoint of step {reported}.");
            return;
        }

        var recorder = new Recorder();
        try
        {
            run.Resume(recorder: recorder);
        }
        catch (DynConvException exception)
        {
            Assert.Fail($"{when}: {exception.Message}");
        }

        Assert.True(recorder.Begun!.FirstStep > reported, $"{when}: the checkpoint of step {reported} was there, and the run began with step {recorder.Begun.FirstStep}.");
        Assert.Empty(recorder.Notes);
        Assert.True(weights.AsSpan().SequenceEqual(run.Bytes("run", "model.safetensors")), $"{when}: the weights are others.");
        Assert.Equal([1L, 2, 3, 4, 5], run.Metrics().Select(line => System.Text.Json.Nodes.JsonNode.Parse(line)!).Where(row => row["loss"] is not null).Select(row => (long)row["step"]!));
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(run["run"], "checkpoints"), "*.tmp"));
    }
}
