using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using DynConv.Serialization;
using DynConv.Training.Evaluation;

namespace DynConv.Training.Runs;

/// <summary>
/// A run's <c>metrics.jsonl</c>: a line for each step and each validation, written as they come, cut back to the
/// checkpoint when a run is resumed.
/// </summary>
internal sealed class MetricsLog : IDisposable
{
    public const string Name = "metrics.jsonl";

    private readonly DiskFile _file;
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    private MetricsLog(string path)
    {
        // Without a buffer nothing is left to write when the disk is full and the file is closed.
        _file = Disk.OpenLog(path);
    }

    public long Length => _file.Length;

    /// <summary>SHA-256 of all that is in it.</summary>
    public string Sha256 => Convert.ToHexStringLower(_hash.GetCurrentHash());

    /// <summary>
    /// Opens the log of a run as it was at a checkpoint. What came later is cut off; what should be there and is not, or
    /// is damaged, is left out, and that is said.
    /// </summary>
    /// <param name="folder">The run's folder.</param>
    /// <param name="state">Where the run stands; null at its start.</param>
    /// <param name="note">Takes the sentence.</param>
    public static MetricsLog Open(string folder, RunState? state, Action<string> note)
    {
        string path = Path.Combine(folder, Name);
        try
        {
            if (state is not null && !Holds(path, state))
            {
                note(Repair(path, state));
                state = state with { MetricsBytes = new FileInfo(path).Length };
            }

            var log = new MetricsLog(path);
            log.Keep(path, state?.MetricsBytes ?? 0);
            Disk.FlushFolder(Path.GetDirectoryName(Path.GetFullPath(path))!);
            return log;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new DynConvException($"{path} cannot be opened: {exception.Message}", exception);
        }
    }

    public void Write(StepMetrics step)
    {
        var line = new JsonObject
        {
            ["step"] = step.Step,
            ["loss"] = step.Loss,
            ["learning_rate"] = step.LearningRate,
            ["gradient_norm"] = step.GradientNorm,
            ["tokens"] = step.Tokens,
            ["tokens_per_second"] = Math.Round(step.TokensPerSecond, 1),
            ["seconds"] = Math.Round(step.Seconds, 3),
        };
        if (step.Utilization is { } utilization)
        {
            line["mfu"] = Math.Round(utilization, 4);
        }

        Append(line);
    }

    public void Write(long step, EvaluationResult result) => Append(new JsonObject
    {
        ["step"] = step,
        ["valid_loss"] = result.Loss,
        // JSON has no infinity, which is where a large loss, or text of special tokens alone, leads.
        ["valid_perplexity"] = double.IsFinite(result.Perplexity) ? result.Perplexity : null,
        ["valid_bits_per_byte"] = double.IsFinite(result.BitsPerByte) ? result.BitsPerByte : null,
        ["valid_tokens"] = result.Tokens,
    });

    /// <summary>Returns when a power failure takes nothing of it.</summary>
    public void FlushToDisk() => Try(_file.FlushToDisk);

    public void Dispose()
    {
        _file.Dispose();
        _hash.Dispose();
    }

    private static bool Holds(string path, RunState state)
    {
        if (!File.Exists(path) || new FileInfo(path).Length < state.MetricsBytes)
        {
            return false;
        }

        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        AppendTo(hash, path, state.MetricsBytes);
        return Convert.ToHexStringLower(hash.GetHashAndReset()) == state.MetricsSha256;
    }

    /// <summary>Leaves the rows that are whole and were written before the checkpoint, and says what is missing.</summary>
    private static string Repair(string path, RunState state)
    {
        long last = 0;
        var missing = new List<(long First, long Last)>();
        var row = new MetricsRow();
        AtomicFile.Write(path, output =>
        {
            foreach (byte[] line in File.Exists(path) ? File.ReadLines(path).Select(static line => Encoding.UTF8.GetBytes(line + "\n")) : [])
            {
                if (row.TryRead(line) && Belongs((long)row.Step))
                {
                    output.Write(line);
                }
            }
        });
        Pass(state.Step + 1);
        string gaps = string.Join(", ", missing.Take(3).Select(gap => gap.First == gap.Last ? $"{gap.First}" : $"{gap.First} to {gap.Last}"));
        return missing.Count == 0
            ? $"{path} is not as the checkpoint of step {state.Step} left it; all steps are there, and what was no row of theirs is gone."
            : $"{path} lacks rows that were there at the checkpoint of step {state.Step}: the losses of step {gaps}{(missing.Count > 3 ? " and more" : "")} are lost; the weights are not touched by that.";

        bool Belongs(long step)
        {
            if (!row.IsTraining)
            {
                return step == last && (last < state.Step || state.ValidationLoss is not null);
            }

            if (!double.IsFinite(row["loss"]) || step <= last || step > state.Step)
            {
                return false;
            }

            Pass(step);
            last = step;
            return true;
        }

        void Pass(long step)
        {
            if (step > last + 1)
            {
                missing.Add((last + 1, step - 1));
            }
        }
    }

    private static void AppendTo(IncrementalHash hash, string path, long count)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        byte[] buffer = new byte[1 << 16];
        while (count > 0)
        {
            int read = file.Read(buffer, 0, (int)Math.Min(buffer.Length, count));
            if (read == 0)
            {
                return;
            }

            hash.AppendData(buffer, 0, read);
            count -= read;
        }
    }

    private void Keep(string path, long length)
    {
        if (_file.Length != length)
        {
            _file.SetLength(length);
        }

        _file.Seek(0, SeekOrigin.End);
        AppendTo(_hash, path, length);
    }

    private void Append(JsonObject line) => Try(() =>
    {
        byte[] bytes = Encoding.UTF8.GetBytes(line.ToJsonString() + "\n");
        _file.Write(bytes);
        _hash.AppendData(bytes);
    });

    private void Try(Action write)
    {
        try
        {
            write();
        }
        catch (Exception exception) when (exception is IOException or ArgumentOutOfRangeException)
        {
            throw new DynConvException(
                $"{_file.Name} could not be written: {exception.Message}; make room and continue with --resume.", exception);
        }
    }
}
