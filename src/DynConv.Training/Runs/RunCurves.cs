namespace DynConv.Training.Runs;

/// <summary>The loss curves of a run, finished or not.</summary>
/// <param name="Training">Mean loss of each step.</param>
/// <param name="Validation">Loss of each validation.</param>
public sealed record RunCurves(
    IReadOnlyList<(double Step, double Loss)> Training, IReadOnlyList<(double Step, double Loss)> Validation)
{
    /// <summary>Name of the file in a run's folder that curves are read from.</summary>
    public const string FileName = MetricsLog.Name;

    /// <summary>What of the file is no line of metrics and was left out, in a sentence; null if nothing.</summary>
    public string? LeftOut { get; init; }

    /// <summary>
    /// What a loss in nats a token times this is in bits a byte, by the text of the last validation; null without one.
    /// </summary>
    public double? BitsPerNat { get; init; }

    /// <summary>Reads a run's <c>metrics.jsonl</c>; a last line that is only half written is not there yet.</summary>
    /// <param name="folder">The run's folder.</param>
    /// <exception cref="DynConvException">The folder holds no run, or its file cannot be read.</exception>
    public static RunCurves Read(string folder)
    {
        string path = Path.Combine(folder, MetricsLog.Name);
        if (!File.Exists(path))
        {
            throw new DynConvException($"{folder} holds no run: there is no {path}.");
        }

        var training = new List<(double, double)>();
        var validation = new List<(double, double)>();
        double bitsPerNat = double.NaN;
        var reader = new MetricsReader(path);
        reader.Read(row =>
        {
            if (row.IsTraining)
            {
                Add(training, row.Step, row["loss"]);
                return;
            }

            Add(validation, row.Step, row["valid_loss"]);
            double ratio = row["valid_bits_per_byte"] / row["valid_loss"];
            bitsPerNat = double.IsFinite(ratio) ? ratio : bitsPerNat;
        });
        return new RunCurves(training, validation) { LeftOut = reader.LeftOut, BitsPerNat = double.IsFinite(bitsPerNat) ? bitsPerNat : null };
    }

    // A loss that is not finite has no place in a curve.
    private static void Add(List<(double Step, double Loss)> curve, double step, double loss)
    {
        if (double.IsFinite(loss))
        {
            curve.Add((step, loss));
        }
    }
}
