using System.Globalization;
using DynConv.Training.Evaluation;

namespace DynConv.Training.Runs.TensorBoard;

/// <summary>
/// Writes what a run tells as a TensorBoard event file into the run's folder: losses, learning rate, gradient norm and
/// speed. A resumed run writes another file, and TensorBoard drops what the earlier one says of steps that are done again.
/// </summary>
public sealed class TensorBoardLog : ITrainingObserver, IDisposable
{
    private const string FormatVersion = "brain.Event:2";

    private readonly string _folder;
    private readonly TimeProvider _clock;
    private RecordFile? _file;

    /// <param name="folder">The run's folder; the file is made when the run starts.</param>
    /// <param name="clock">Tells the time of events; the system's if not given.</param>
    public TensorBoardLog(string folder, TimeProvider? clock = null) => (_folder, _clock) = (folder, clock ?? TimeProvider.System);

    // Field numbers are those of TensorFlow's event.proto and summary.proto.
    private enum EventField
    {
        WallTime = 1,
        Step = 2,
        FileVersion = 3,
        Summary = 5,
        SessionLog = 7,
    }

    private double Now => _clock.GetUtcNow().ToUnixTimeMilliseconds() / 1000.0;

    /// <inheritdoc/>
    public void OnEncoding(long bytes, long totalBytes)
    {
    }

    /// <inheritdoc/>
    public void OnPreparing()
    {
    }

    /// <inheritdoc/>
    public void OnPrepared(int kernels, double seconds)
    {
    }

    /// <inheritdoc/>
    public void OnStart(RunStart start)
    {
        _file?.Dispose();
        _file = Create();
        Write(new ProtobufMessage().Add((int)EventField.WallTime, Now).Add((int)EventField.FileVersion, FormatVersion));
        if (start.FirstStep > 1)
        {
            const int Status = 1;
            const long SessionStart = 1;
            Write(Event(start.FirstStep).Add((int)EventField.SessionLog, new ProtobufMessage().Add(Status, SessionStart)));
        }
    }

    /// <inheritdoc/>
    public void OnStep(StepMetrics step) => Write(Event(step.Step).Add((int)EventField.Summary, Scalars(
    [
        ("loss/train", step.Loss),
        ("learning_rate", step.LearningRate),
        ("gradient_norm", step.GradientNorm),
        ("tokens_per_second", step.TokensPerSecond),
        .. step.Utilization is { } utilization ? [("mfu", utilization)] : Array.Empty<(string, double)>(),
    ])));

    /// <inheritdoc/>
    public void OnValidation(long step, EvaluationResult result) =>
        Write(Event(step).Add((int)EventField.Summary, Scalars(("loss/valid", result.Loss))));

    /// <inheritdoc/>
    public void OnCheckpoint(long step, string path)
    {
    }

    /// <inheritdoc/>
    public void Dispose() => _file?.Dispose();

    private static ProtobufMessage Scalars(params ReadOnlySpan<(string Tag, double Value)> scalars)
    {
        const int Value = 1;
        const int Tag = 1;
        const int SimpleValue = 2;
        var summary = new ProtobufMessage();
        foreach ((string tag, double value) in scalars)
        {
            summary.Add(Value, new ProtobufMessage().Add(Tag, tag).Add(SimpleValue, (float)value));
        }

        return summary;
    }

    private ProtobufMessage Event(long step) =>
        new ProtobufMessage().Add((int)EventField.WallTime, Now).Add((int)EventField.Step, step);

    private void Write(ProtobufMessage message) => _file?.Write(message.ToArray());

    // TensorBoard reads the files of a folder in the order of their names, which begin with the time.
    private RecordFile Create()
    {
        long seconds = _clock.GetUtcNow().ToUnixTimeSeconds();
        for (int number = 0; ; number++)
        {
            string name = string.Create(CultureInfo.InvariantCulture, $"events.out.tfevents.{seconds:D10}.{Environment.MachineName}.{number}");
            string path = Path.Combine(_folder, name);
            try
            {
                return new RecordFile(path);
            }
            catch (IOException) when (File.Exists(path))
            {
                // Resumed within the same second.
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                throw new DynConvException($"{path} cannot be made: {exception.Message}", exception);
            }
        }
    }
}
