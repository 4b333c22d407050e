namespace DynConv.Optimizers;

/// <summary>Settings of a <see cref="MuonOptimizer"/>.</summary>
public sealed record MuonSettings
{
    /// <summary>Size of a step where no schedule says otherwise, for Muon and AdamW alike; 0.001 unless set.</summary>
    public double LearningRate { get; init; } = 1e-3;

    /// <summary>How much of a matrix's momentum stays at each step, in [0, 1); 0.95 unless set.</summary>
    public double Momentum { get; init; } = 0.95;

    /// <summary>Steps of the iteration that makes the momentum orthogonal; 5 unless set.</summary>
    public int NewtonSchulzSteps { get; init; } = 5;

    /// <summary>What AdamW keeps of the first moment of all else, in [0, 1); 0.9 unless set.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>What AdamW keeps of the second moment of all else, in [0, 1); 0.95 unless set.</summary>
    public double Beta2 { get; init; } = 0.95;

    /// <summary>What AdamW adds to the root of the second moment; 1e-8 unless set.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>
    /// Each step takes this share, times the learning rate, off parameters that are <see cref="Modules.ParameterKind.Matrix"/>
    /// or <see cref="Modules.ParameterKind.Embedding"/>; 0.1 unless set.
    /// </summary>
    public double WeightDecay { get; init; } = 0.1;

    /// <summary>
    /// Norm of all gradients together that larger ones are scaled down to; 1 unless set, 0 for no limit. The directions that
    /// Muon takes are as long whatever the gradient's norm, but for what the momentum remembers of its size.
    /// </summary>
    public double ClipNorm { get; init; } = 1;
}
