namespace DynConv.Diagnostics;

/// <summary>What a computation has left, in float32 in main memory.</summary>
internal sealed record HostTensor(Shape Shape, float[] Values)
{
    /// <summary>A tensor's values.</summary>
    public static HostTensor Of(Tensor tensor)
    {
        using var scope = new TensorScope();
        return new HostTensor(tensor.Shape, tensor.To(DType.Float32).ToArray<float>());
    }

    /// <summary>The values of a tensor's gradient: zeros where it has none.</summary>
    public static HostTensor OfGradient(Tensor tensor) =>
        tensor.Gradient is { } gradient ? Of(gradient) : new HostTensor(tensor.Shape, new float[tensor.Count]);
}
