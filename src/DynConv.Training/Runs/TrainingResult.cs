using DynConv.Training.Evaluation;

namespace DynConv.Training.Runs;

/// <summary>How a run ended.</summary>
/// <param name="Folder">The run's folder; holds the model unless the run was interrupted.</param>
/// <param name="Steps">Steps done.</param>
/// <param name="Interrupted">Whether it was asked to stop before its last step.</param>
/// <param name="Validation">Of the finished model; null if interrupted.</param>
/// <param name="Checkpoint">The newest checkpoint; null if there is none yet.</param>
/// <param name="Seconds">Time spent, earlier parts of a resumed run included.</param>
/// <param name="PeakMemoryBytes">The most memory that tensors took at a time on the device.</param>
/// <param name="Device">Where it computed.</param>
/// <param name="ComputeType">What it computed in.</param>
/// <param name="SamplePrompt">The first tokens of the validation text, to continue as a sample.</param>
public sealed record TrainingResult(
    string Folder,
    long Steps,
    bool Interrupted,
    EvaluationResult? Validation,
    string? Checkpoint,
    double Seconds,
    long PeakMemoryBytes,
    Device Device,
    DType ComputeType,
    IReadOnlyList<int> SamplePrompt)
{
    /// <summary>Of each source of a mixture, on a part of what was held out of it; empty without a mixture.</summary>
    public IReadOnlyList<(string Source, EvaluationResult Result)> SourceValidation { get; init; } = [];
}
