namespace DynConv.Training.Optimization;

/// <summary>Linear warm-up, then half a cosine down to the final rate.</summary>
/// <param name="Peak">Highest rate.</param>
/// <param name="Final">Rate that the cosine ends at.</param>
/// <param name="Steps">Steps of the run.</param>
/// <param name="WarmupSteps">Steps of the warm-up.</param>
public sealed record LearningRateSchedule(double Peak, double Final, long Steps, long WarmupSteps)
{
    /// <summary>The schedule that a configuration asks for.</summary>
    /// <param name="configuration">A resolved configuration.</param>
    public static LearningRateSchedule Of(TrainingConfiguration configuration)
    {
        double peak = configuration.LearningRate!.Value;
        long steps = configuration.Steps!.Value;
        return new(peak, peak * configuration.FinalLearningRate, steps, (long)Math.Round(steps * configuration.Warmup));
    }

    /// <summary>The rate of a step.</summary>
    /// <param name="step">From 1 to <see cref="Steps"/>.</param>
    public double At(long step)
    {
        if (step <= WarmupSteps)
        {
            return Peak * step / WarmupSteps;
        }

        double progress = (double)(step - WarmupSteps) / Math.Max(1, Steps - WarmupSteps);
        return Final + ((Peak - Final) * 0.5 * (1 + Math.Cos(Math.PI * Math.Min(1, progress))));
    }
}
