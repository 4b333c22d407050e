namespace DynConv.Experiments.Recall;

/// <summary>What is trained: one model on one task.</summary>
/// <param name="Task">The task.</param>
/// <param name="Conv">Kind of convolution.</param>
/// <param name="Seed">Decides the first weights and the training sequences.</param>
/// <param name="LearningRate">Peak.</param>
public sealed record RecallRun(IRecallTask Task, string Conv, int Seed, double LearningRate);

/// <summary>A point of a learning curve.</summary>
/// <param name="Step">Steps that have been made.</param>
/// <param name="Loss">Mean training loss since the last point, in nats a key.</param>
/// <param name="Accuracy">Validation accuracy for each number of pairs, in the order of the settings.</param>
public sealed record RecallPoint(int Step, double Loss, IReadOnlyList<double> Accuracy);

/// <summary>A trained model's figures.</summary>
/// <param name="Run">What was trained.</param>
/// <param name="Parameters">Number of parameters.</param>
/// <param name="Validation">Accuracy on validation sequences, mean over the numbers of pairs: what the learning rate is chosen by.</param>
/// <param name="Accuracy">Accuracy on test sequences, for each number of pairs.</param>
/// <param name="Curve">How it got there.</param>
/// <param name="Diverged">Whether a loss was not finite; the training ended there.</param>
/// <param name="Seconds">Time that the training and its measurements took.</param>
public sealed record RecallOutcome(
    RecallRun Run,
    long Parameters,
    double Validation,
    IReadOnlyList<double> Accuracy,
    IReadOnlyList<RecallPoint> Curve,
    bool Diverged,
    double Seconds);
