using DynConv.Serialization;

namespace DynConv.Training.Runs;

/// <summary>The picture of a run's curves beside its log.</summary>
internal static class LossPicture
{
    /// <summary>Draws what the log has so far, as <c>loss.svg</c>.</summary>
    /// <param name="folder">The run's.</param>
    /// <param name="configuration">Names the model and its convolutions.</param>
    /// <param name="note">Told if the log cannot be read.</param>
    public static void Draw(string folder, TrainingConfiguration configuration, Action<string> note)
    {
        RunCurves run;
        try
        {
            run = RunCurves.Read(folder);
        }
        catch (DynConvException exception)
        {
            // A picture is not worth a run: somebody else has changed the log.
            note($"The curve is not drawn: {exception.Message}");
            return;
        }

        LossCurve[] curves =
        [
            .. new LossCurve[] { new("training", run.Training, Faint: true), new("validation", run.Validation) }
                .Where(static curve => curve.Points.Count > 0),
        ];
        if (curves.Length == 0)
        {
            return;
        }

        string title = $"{configuration.ModelName()}, convolutions: {configuration.ConvName}";
        try
        {
            AtomicFile.WriteAllText(Path.Combine(folder, "loss.svg"), LossChart.Draw(title, curves));
        }
        catch (DynConvException exception)
        {
            note($"The curve is not drawn: {exception.Message}");
        }
    }
}
