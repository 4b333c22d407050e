namespace DynConv;

/// <summary>
/// Rounds the results of every op, and the gradients that flow back, to bfloat16 where they are computed in float32:
/// <c>using (BFloat16Rounding.Start()) { … }</c>. So the CPU rounds where a model in bfloat16 does between its ops, and what remains of
/// the difference is what kernels round inside. Numbers by themselves, such as losses, are float32 in either.
/// </summary>
internal static class BFloat16Rounding
{
    [ThreadStatic]
    private static bool _enabled;

    /// <summary>Rounds the results of the calling thread's ops until the result is disposed.</summary>
    public static IDisposable Start() => new Guard();

    public static void Values(ReadOnlySpan<Tensor> outputs)
    {
        if (_enabled)
        {
            foreach (Tensor output in outputs)
            {
                Round(output);
            }
        }
    }

    public static void Gradients(ReadOnlySpan<GradientSlot> outputs)
    {
        if (_enabled)
        {
            foreach (GradientSlot output in outputs)
            {
                if (output.Whole() is { } gradient)
                {
                    Round(gradient);
                }
            }
        }
    }

    private static void Round(Tensor tensor)
    {
        if (tensor is { DType: DType.Float32, Rank: > 0 })
        {
            using var scope = new TensorScope();
            StridedCopy.Copy(tensor.To(DType.BFloat16), tensor);
        }
    }

    private sealed class Guard : IDisposable
    {
        private readonly bool _outer = _enabled;

        public Guard() => _enabled = true;

        public void Dispose() => _enabled = _outer;
    }
}
