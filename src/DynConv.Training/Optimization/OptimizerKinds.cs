using DynConv.Modules;
using DynConv.Optimizers;

namespace DynConv.Training.Optimization;

/// <summary>The optimizers that a training can have, by the names that settings have for them.</summary>
public static class OptimizerKinds
{
    /// <summary>The name of <see cref="AdamWOptimizer"/>, which is the default.</summary>
    public const string AdamW = "adamw";

    /// <summary>The name of <see cref="MuonOptimizer"/>.</summary>
    public const string Muon = "muon";

    /// <summary>All names.</summary>
    public static IReadOnlyList<string> Names { get; } = [AdamW, Muon];

    /// <summary>Makes the optimizer that a configuration asks for.</summary>
    /// <param name="module">Whose parameters are trained.</param>
    /// <param name="configuration">Its kind, decay, moments and clipping.</param>
    /// <exception cref="DynConvException">There is no such optimizer.</exception>
    public static Optimizer Create(Module module, TrainingConfiguration configuration)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        Check(configuration.Optimizer);
        double learningRate = configuration.LearningRate ?? new AdamWSettings().LearningRate;
        return configuration.Optimizer == Muon
            ? new MuonOptimizer(module, new MuonSettings
            {
                LearningRate = learningRate,
                Beta1 = configuration.Beta1,
                Beta2 = configuration.Beta2,
                Epsilon = configuration.Epsilon,
                WeightDecay = configuration.WeightDecay,
                ClipNorm = configuration.ClipNorm,
            })
            : new AdamWOptimizer(module, new AdamWSettings
            {
                LearningRate = learningRate,
                Beta1 = configuration.Beta1,
                Beta2 = configuration.Beta2,
                Epsilon = configuration.Epsilon,
                WeightDecay = configuration.WeightDecay,
                ClipNorm = configuration.ClipNorm,
            });
    }

    /// <summary>Refuses a name that is none.</summary>
    internal static void Check(string name)
    {
        if (!Names.Contains(name))
        {
            throw new DynConvException($"optimizer is '{name}'; it can be {string.Join(", ", Names)}.");
        }
    }
}
