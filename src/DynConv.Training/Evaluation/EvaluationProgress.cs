namespace DynConv.Training.Evaluation;

/// <summary>How far a measurement has come.</summary>
/// <param name="Windows">Windows of one context that have been looked at.</param>
/// <param name="TotalWindows">Windows in all.</param>
public readonly record struct EvaluationProgress(long Windows, long TotalWindows);
