namespace DynConv.Training.Data;

/// <summary>A part of the text that is trained on, gone through by epochs of its own.</summary>
/// <param name="Name">What it is called: its path, or all paths where the text is no mixture.</param>
/// <param name="Share">Its share of a run's samples; those of all sources make 1.</param>
/// <param name="Train">What is trained on.</param>
/// <param name="Validation">What of it is held out; null where other text is validated on.</param>
public sealed record TrainingSource(string Name, double Share, TokenDataset Train, TokenDataset? Validation);
