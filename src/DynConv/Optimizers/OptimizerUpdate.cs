namespace DynConv.Optimizers;

/// <summary>What an update of a parameter goes by beside its gradient.</summary>
/// <param name="Step">From 1: how many updates there will have been.</param>
/// <param name="LearningRate">This step's.</param>
/// <param name="GradientScale">Factor of the gradient; NaN if nothing is to change.</param>
/// <param name="DeviceScale">A further factor that the device alone knows, float32 <c>[]</c>, with the same meaning; 1 if null.</param>
public readonly record struct OptimizerUpdate(long Step, double LearningRate, float GradientScale, Tensor? DeviceScale);
