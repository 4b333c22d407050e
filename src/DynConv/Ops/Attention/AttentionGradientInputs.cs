namespace DynConv.Ops;

/// <summary>
/// What the kernels of attention's gradients read; a struct, as launches read it where it lies on the stack.
/// </summary>
/// <param name="q">Queries.</param>
/// <param name="k">Keys.</param>
/// <param name="v">Values.</param>
/// <param name="upstream">Gradient of the result.</param>
/// <param name="statistics">
/// <c>[B, H, padded T, 2]</c>: the logarithm of each query's sum of exponentials, and its result times its upstream
/// gradient.
/// </param>
internal readonly struct AttentionGradientInputs(Tensor q, Tensor k, Tensor v, Tensor upstream, Tensor statistics)
{
    public readonly CudaHeads Q = CudaHeads.Of(q);

    public readonly CudaHeads K = CudaHeads.Of(k);

    public readonly CudaHeads V = CudaHeads.Of(v);

    public readonly CudaHeads Upstream = CudaHeads.Of(upstream);

    public Tensor Statistics { get; } = statistics;
}
