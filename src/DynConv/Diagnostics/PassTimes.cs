namespace DynConv.Diagnostics;

/// <summary>What a convolution's passes took, in seconds.</summary>
/// <param name="Forward">The forward pass.</param>
/// <param name="Backward">The backward pass alone; null where it was not measured.</param>
/// <param name="ForwardBackward">Both, one after the other.</param>
internal readonly record struct PassTimes(double Forward, double? Backward, double ForwardBackward);
