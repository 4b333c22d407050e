using DynConv.Training.Runs;

namespace DynConv.Reports;

/// <summary>The figures of a run's log as the page gets them, a column a measure.</summary>
internal sealed class RunColumns(string path)
{
    // A page of more is too much for any browser.
    private const long MostBytes = 256 << 20;

    private readonly MetricsReader _reader = new(path, MostBytes);

    /// <summary>Changes when rows that were there before are no longer valid.</summary>
    public int Epoch => _reader.Epoch;

    /// <summary>What of the log was left out, in a sentence; null if nothing.</summary>
    public string? LeftOut => _reader.LeftOut;

    /// <summary>A row a step.</summary>
    public ColumnSet Training { get; } = new(
        new("step", isCount: true),
        new("loss", isCount: false),
        new("learning_rate", isCount: false),
        new("gradient_norm", isCount: false),
        new("tokens", isCount: true),
        new("tokens_per_second", isCount: false),
        new("seconds", isCount: false));

    /// <summary>A row a validation; tokens and seconds are those of the step before it.</summary>
    public ColumnSet Validation { get; } = new(
        new("step", isCount: true),
        new("loss", isCount: false),
        new("perplexity", isCount: false),
        new("bits_per_byte", isCount: false),
        new("tokens", isCount: true),
        new("seconds", isCount: false));

    /// <summary>Seconds that the last step took; 0 if that is not known.</summary>
    public double SecondsOfLastStep =>
        Training.Count > 1 && Training["seconds", Training.Count - 1] - Training["seconds", Training.Count - 2] is > 0 and double seconds ? seconds : 0;

    /// <summary>Reads what is new.</summary>
    /// <exception cref="DynConvException">The log cannot be read.</exception>
    public void Update() => _reader.Read(Add, Clear);

    /// <summary>Forgets all.</summary>
    public void Clear()
    {
        Training.Clear();
        Validation.Clear();
    }

    private void Add(MetricsRow row)
    {
        if (row.IsTraining)
        {
            Training.Add(name => row[name]);
            return;
        }

        Validation.Add(name => name switch
        {
            "step" => row.Step,
            "tokens" or "seconds" => Training.Count > 0 ? Training[name, Training.Count - 1] : double.NaN,
            _ => row[$"valid_{name}"],
        });
    }
}
