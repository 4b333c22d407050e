using System.Diagnostics;
using System.Globalization;

namespace DynConv.Cli.Tests;

/// <summary>
/// Processes that train are killed at random moments and at those that matter, and resumed: the weights are those of a
/// run that nobody killed. A variable makes it last as long as wanted.
/// </summary>
public sealed class CrashTests(TinyRun tiny) : IDisposable
{
    private const string Seconds = "DYNCONV_CRASH_SECONDS";
    private const int Kills = 4;

    private static readonly string[] Options = ["--steps", "60", "--checkpoint-every", "3", "--validate-every", "7", "--keep-best"];

    private readonly TemporaryFolder _folder = new();

    private string Folder => _folder.At("run");

    private string Checkpoints => _folder.At("run", "checkpoints");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_run_that_is_killed_at_any_moment_ends_in_the_same_weights()
    {
        double? seconds = double.TryParse(Environment.GetEnvironmentVariable(Seconds), CultureInfo.InvariantCulture, out double given) ? given : null;
        CommandRun.Of(tiny.Train(_folder.At("whole"), Options)).Succeeded();
        var watch = Stopwatch.StartNew();
        for (int round = 0; round == 0 || watch.Elapsed.TotalSeconds < seconds; round++)
        {
            var random = new Random(round);
            int kills = 0;
            while (kills < Kills && KillOne(random, kills))
            {
                kills++;
            }

            Assert.True(kills > 0, "The run was too fast to be killed.");
            ChildProcess.Run("train", "--out", Folder, "--resume").Succeeded();
            foreach (string name in new[] { "model.safetensors", Path.Combine("checkpoints", "best", "model.safetensors"), Path.Combine("checkpoints", "step-000000060", "optimizer.safetensors") })
            {
                Assert.Equal(File.ReadAllBytes(_folder.At("whole", name)), File.ReadAllBytes(_folder.At("run", name)));
            }

            Assert.Equal(Losses(_folder.At("whole")), Losses(Folder));
            Directory.Delete(Folder, recursive: true);
        }
    }

    /// <summary>Starts the run or goes on with it, and kills it.</summary>
    /// <returns>False if it had ended before.</returns>
    private bool KillOne(Random random, int kills)
    {
        bool isThere = File.Exists(Path.Combine(Folder, "run.yaml"));
        using ChildProcess process = ChildProcess.Start(isThere ? ["train", "--out", Folder, "--resume"] : tiny.Train(Folder, Options));
        int before = Count();
        Func<bool> moment = (kills % 4) switch
        {
            0 => () => Any("step-*.tmp"),
            1 => () => Any("*.removed.tmp"),
            2 => () => Any("best*.tmp"),
            _ => After(random.Next(20, 400)),
        };
        process.WaitUntil(() => Count() != before && moment());
        if (process.HasExited)
        {
            process.Wait().Succeeded();
            return false;
        }

        process.Kill();
        return true;

        // What has changed since the process began; its own looking around has not.
        int Count() => Directory.Exists(Checkpoints) ? HashCode.Combine(Directory.GetLastWriteTimeUtc(Checkpoints)) : 0;

        bool Any(string pattern)
        {
            try
            {
                return Directory.EnumerateDirectories(Checkpoints, pattern).Any();
            }
            catch (DirectoryNotFoundException)
            {
                return false;
            }
        }

        static Func<bool> After(int milliseconds)
        {
            var since = Stopwatch.StartNew();
            return () => since.ElapsedMilliseconds > milliseconds;
        }
    }

    private static string[] Losses(string folder) =>
        [.. File.ReadLines(Path.Combine(folder, "metrics.jsonl")).Select(line => line.Split(",\"tokens_per_second\"")[0])];
}
