using System.Globalization;

namespace DynConv.Reports;

/// <summary>How much of a run a page has.</summary>
/// <param name="Epoch">Which reading of the log it has; 0 for none.</param>
/// <param name="Training">Rows of steps.</param>
/// <param name="Validation">Rows of validations.</param>
internal readonly record struct RunPosition(int Epoch, int Training, int Validation);

/// <summary>How much of a report a page has, so that only the rest is sent.</summary>
/// <param name="Session">The server that it came from.</param>
/// <param name="Stamp">The state of the results.</param>
/// <param name="Runs">By the runs' ids.</param>
internal sealed record ReportPosition(string Session, string Stamp, IReadOnlyDictionary<int, RunPosition> Runs)
{
    /// <summary>A page that has nothing yet.</summary>
    public static ReportPosition Start { get; } = new("", "", new Dictionary<int, RunPosition>());

    /// <summary>Reads runs as <c>id.epoch.training.validation</c>, joined by underscores; what is no such thing counts for nothing.</summary>
    public static ReportPosition Parse(string? session, string? stamp, string? runs)
    {
        var positions = new Dictionary<int, RunPosition>();
        foreach (string run in (runs ?? "").Split('_'))
        {
            int?[] parts = [.. run.Split('.').Select(Number)];
            if (parts is [{ } id, { } epoch, { } training, { } validation])
            {
                positions[id] = new RunPosition(epoch, training, validation);
            }
        }

        return new ReportPosition(session ?? "", stamp ?? "", positions);
    }

    private static int? Number(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : null;
}
