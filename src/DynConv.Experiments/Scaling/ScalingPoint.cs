namespace DynConv.Experiments.Scaling;

/// <summary>One finished run as a scaling law sees it.</summary>
/// <param name="Flops">Operations of all its training; see <see cref="Models.FlopCounts"/>.</param>
/// <param name="Loss">Validation loss at its end, in nats a token.</param>
/// <param name="Parameters">Parameters of its model.</param>
/// <param name="Run">Its folder.</param>
public sealed record ScalingPoint(double Flops, double Loss, long Parameters, string Run);
