namespace DynConv.Optimizers;

/// <summary>What the learning rate does after its warm-up.</summary>
public enum ScheduleKind
{
    /// <summary>Falls along half a cosine until the last step.</summary>
    Cosine,

    /// <summary>Falls in a straight line until the last step.</summary>
    Linear,

    /// <summary>Stays at its peak and falls in a straight line over the last steps (warm-up, stable, decay).</summary>
    WarmupStableDecay,

    /// <summary>Stays at its peak.</summary>
    Constant,
}

/// <summary>The names that settings have for the kinds of schedule.</summary>
public static class ScheduleKinds
{
    private static readonly Dictionary<string, ScheduleKind> Kinds = new()
    {
        ["cosine"] = ScheduleKind.Cosine,
        ["linear"] = ScheduleKind.Linear,
        ["wsd"] = ScheduleKind.WarmupStableDecay,
        ["constant"] = ScheduleKind.Constant,
    };

    /// <summary>All names.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. Kinds.Keys];

    /// <summary>The kind of a name.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <exception cref="DynConvException">It is none of them.</exception>
    public static ScheduleKind Parse(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return Kinds.TryGetValue(name, out ScheduleKind kind)
            ? kind
            : throw new DynConvException($"schedule is '{name}'; it can be {string.Join(", ", Names)}.");
    }
}

/// <summary>The learning rate of each step: a straight rise, then what its kind says. It depends on nothing but the step.</summary>
/// <param name="Kind">What comes after the warm-up.</param>
/// <param name="Peak">Highest rate.</param>
/// <param name="Final">Rate of the last step; a constant schedule does not get there.</param>
/// <param name="Steps">Steps of the run.</param>
/// <param name="WarmupSteps">Steps of the warm-up.</param>
/// <param name="DecaySteps">The last steps, in which <see cref="ScheduleKind.WarmupStableDecay"/> falls.</param>
public sealed record LearningRateSchedule(
    ScheduleKind Kind, double Peak, double Final, long Steps, long WarmupSteps, long DecaySteps = 0)
{
    /// <summary>The rate of a step.</summary>
    /// <param name="step">From 1 to <see cref="Steps"/>.</param>
    public double At(long step) =>
        step <= WarmupSteps ? Peak * step / WarmupSteps
        : Kind == ScheduleKind.Constant ? Peak
        : Final + ((Peak - Final) * Height(step));

    /// <summary>How far the rate still is from its end: 1 at the peak, 0 at the end.</summary>
    private double Height(long step)
    {
        long start = Kind == ScheduleKind.WarmupStableDecay ? Math.Max(WarmupSteps, Steps - DecaySteps) : WarmupSteps;
        double progress = Math.Clamp((double)(step - start) / Math.Max(1, Steps - start), 0, 1);
        return Kind == ScheduleKind.Cosine ? 0.5 * (1 + Math.Cos(Math.PI * progress)) : 1 - progress;
    }
}
