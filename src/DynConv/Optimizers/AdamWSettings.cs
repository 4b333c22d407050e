namespace DynConv.Optimizers;

/// <summary>Settings of an <see cref="AdamWOptimizer"/>.</summary>
public sealed record AdamWSettings
{
    /// <summary>Size of a step where no schedule says otherwise; 0.001 unless set.</summary>
    public double LearningRate { get; init; } = 1e-3;

    /// <summary>How much of the first moment stays at each step, in [0, 1); 0.9 unless set.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>How much of the second moment stays at each step, in [0, 1); 0.95 unless set, as language models have it.</summary>
    public double Beta2 { get; init; } = 0.95;

    /// <summary>Added to the root of the second moment; 1e-8 unless set.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>
    /// Each step takes this share, times the learning rate, off parameters that are <see cref="Modules.ParameterKind.Matrix"/>
    /// or <see cref="Modules.ParameterKind.Embedding"/>; 0.1 unless set.
    /// </summary>
    public double WeightDecay { get; init; } = 0.1;

    /// <summary>Norm of all gradients together that larger ones are scaled down to; 1 unless set, 0 for no limit.</summary>
    public double ClipNorm { get; init; } = 1;
}
