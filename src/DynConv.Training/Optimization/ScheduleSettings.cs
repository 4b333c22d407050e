using DynConv.Optimizers;

namespace DynConv.Training.Optimization;

/// <summary>The learning rates that a configuration asks for.</summary>
public static class ScheduleSettings
{
    private const double DefaultDecay = 0.2;

    /// <summary>The schedule that a configuration asks for.</summary>
    /// <param name="configuration">A resolved configuration.</param>
    public static LearningRateSchedule Of(TrainingConfiguration configuration)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        ScheduleKind kind = ScheduleKinds.Parse(configuration.Schedule);
        double peak = configuration.LearningRate!.Value;
        long steps = configuration.Steps!.Value;
        return new(
            kind,
            peak,
            peak * configuration.FinalLearningRate,
            steps,
            StepCount(configuration.Warmup, steps),
            DecayOf(configuration) is { } decay ? StepCount(decay, steps) : 0);
    }

    /// <summary>Refuses settings that make no schedule.</summary>
    /// <exception cref="DynConvException">One does not fit.</exception>
    internal static void Check(TrainingConfiguration configuration)
    {
        const double MostSteps = 1e15;
        ScheduleKind kind = ScheduleKinds.Parse(configuration.Schedule);
        SettingRanges.Range("warmup", configuration.Warmup, 0, MostSteps);
        SettingRanges.Range("decay", configuration.Decay ?? DefaultDecay, 0, MostSteps);
        SettingRanges.WholeSteps("warmup", configuration.Warmup);
        SettingRanges.WholeSteps("decay", configuration.Decay ?? DefaultDecay);
        if (configuration.Decay is not null && kind != ScheduleKind.WarmupStableDecay)
        {
            throw new DynConvException($"decay is given, and only the schedule wsd has use for it, not {configuration.Schedule}.");
        }

        if (configuration.FinalLearningRate != 0 && kind == ScheduleKind.Constant)
        {
            throw new DynConvException("final_learning_rate is given, and the schedule constant ends where it peaks.");
        }
    }

    /// <summary>The setting <c>decay</c>, or its default, where the schedule has use for it.</summary>
    internal static double? DecayOf(TrainingConfiguration configuration) =>
        ScheduleKinds.Parse(configuration.Schedule) == ScheduleKind.WarmupStableDecay ? configuration.Decay ?? DefaultDecay : null;

    /// <summary>A share of the run where it is below 1, else the steps themselves.</summary>
    private static long StepCount(double setting, long steps) =>
        (long)Math.Round(Math.Min(steps, setting < 1 ? steps * setting : setting));
}
