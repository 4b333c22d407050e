using System.Text;
using System.Text.Json.Nodes;
using DynConv.Training.Evaluation;

namespace DynConv.Training.Runs;

/// <summary>
/// A run's <c>metrics.jsonl</c>: a line for each step and each validation, written as they come, cut back to the
/// checkpoint when a run is resumed.
/// </summary>
internal sealed class MetricsLog : IDisposable
{
    public const string Name = "metrics.jsonl";

    private readonly FileStream _file;

    /// <param name="folder">The run's folder.</param>
    /// <param name="length">Bytes to keep of what is there.</param>
    public MetricsLog(string folder, long length)
    {
        // Without a buffer nothing is left to write when the disk is full and the file is closed.
        _file = new FileStream(
            Path.Combine(folder, Name), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
        _file.SetLength(Math.Min(length, _file.Length));
        _file.Seek(0, SeekOrigin.End);
    }

    public long Length => _file.Length;

    public void Write(StepMetrics step) => Append(new JsonObject
    {
        ["step"] = step.Step,
        ["loss"] = step.Loss,
        ["learning_rate"] = step.LearningRate,
        ["gradient_norm"] = step.GradientNorm,
        ["tokens"] = step.Tokens,
        ["tokens_per_second"] = Math.Round(step.TokensPerSecond, 1),
        ["seconds"] = Math.Round(step.Seconds, 3),
    });

    public void Write(long step, EvaluationResult result) => Append(new JsonObject
    {
        ["step"] = step,
        ["valid_loss"] = result.Loss,
        // JSON has no infinity, which is where a large loss leads.
        ["valid_perplexity"] = double.IsFinite(result.Perplexity) ? result.Perplexity : null,
        ["valid_bits_per_byte"] = result.BitsPerByte,
        ["valid_tokens"] = result.Tokens,
    });

    public void Dispose() => _file.Dispose();

    private void Append(JsonObject line)
    {
        try
        {
            _file.Write(Encoding.UTF8.GetBytes(line.ToJsonString() + "\n"));
        }
        catch (Exception exception) when (exception is IOException or ArgumentOutOfRangeException)
        {
            throw new DynConvException(
                $"{_file.Name} could not be written: {exception.Message}; make room and continue with --resume.", exception);
        }
    }
}
