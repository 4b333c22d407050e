namespace DynConv.Ops;

/// <summary>Softmax attention, computed block by block so that no T x T matrix is ever stored (Dao et al. 2022).</summary>
public static partial class Attention
{
    private static readonly AttentionOptions Defaults = new();

    /// <summary>
    /// Causal attention with grouped queries: <c>y[t] = sum over j of p[t, j] v[j]</c>, where <c>p[t, :]</c> is the
    /// softmax of <c>scale * (q[t] . k[j])</c> over the keys <c>j &lt;= S - T + t</c>. Query head h uses key and value
    /// head <c>h / (H / Hkv)</c>. With S above T the queries are the last T positions: decoding against a cache.
    /// </summary>
    /// <param name="q">Queries <c>[B, T, H, K]</c>, any strides; on CUDA, K is at most 384.</param>
    /// <param name="k">Keys <c>[B, S, Hkv, K]</c>, S at least T, H a multiple of Hkv.</param>
    /// <param name="v">Values, the shape of <paramref name="k"/>.</param>
    /// <param name="options">Scale, packed sequences and rotary positions.</param>
    /// <returns><c>[B, T, H, K]</c>, contiguous.</returns>
    /// <remarks>
    /// On CUDA, bfloat16 heads of a multiple of 8 channels, up to 128 (256 without gradients), use the tensor cores. Results have the
    /// same bits every time.
    /// </remarks>
    /// <exception cref="TensorException">A shape, a dtype or an option does not fit.</exception>
    public static Tensor Causal(Tensor q, Tensor k, Tensor v, AttentionOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(q);
        ArgumentNullException.ThrowIfNull(k);
        ArgumentNullException.ThrowIfNull(v);
        options ??= Defaults;
        Check(q, k, v, options);
        float scale = options.Scale ?? 1f / MathF.Sqrt(q.Shape[3]);
        Tensor? bounds = options.Packed?.On(q.Device).TokenBounds;
        using var scope = new TensorScope();
        if (q.Device.IsCuda)
        {
            return scope.Keep(CausalCuda(q, k, v, scale, bounds, options.Rotary));
        }

        if (options.Rotary is { } rotary)
        {
            (q, k) = Rope.Apply(q, k, rotary.Table, rotary.Positions);
        }

        return scope.Keep(CausalCpu(q, k, v, scale, bounds));
    }

    private static void Check(Tensor q, Tensor k, Tensor v, AttentionOptions options)
    {
        OpArguments.Floating("attention", q, k, v);
        OpArguments.Rank("attention", "q", q, 4, "[B, T, H, K]");
        OpArguments.Rank("attention", "k", k, 4, "[B, S, Hkv, K]");
        OpArguments.SameShape("attention", k, v);
        if (q.Shape[0] != k.Shape[0] || q.Shape[3] != k.Shape[3])
        {
            throw new TensorException(
                "attention", $"q of shape {q.Shape} and k of shape {k.Shape} differ in batch or head size.", q, k);
        }

        if (k.Shape[2] == 0 || q.Shape[2] % k.Shape[2] != 0)
        {
            throw new TensorException(
                "attention", $"{q.Shape[2]} query heads cannot share {k.Shape[2]} key and value heads evenly.", q, k);
        }

        if (k.Shape[1] < q.Shape[1])
        {
            throw new TensorException("attention", $"{q.Shape[1]} queries are more than {k.Shape[1]} keys.", q, k);
        }

        if (options.Rotary is not null && k.Shape[1] != q.Shape[1])
        {
            throw new TensorException(
                "attention", $"{q.Shape[1]} queries and {k.Shape[1]} keys do not have the same positions; turn them before.", q, k);
        }

        if (options.Scale is { } scale && !(scale > 0 && float.IsFinite(scale)))
        {
            throw new TensorException("attention", $"the scale has to be above 0, and {scale} is not.", q);
        }

        if (options.Packed is { } packed
            && (q.Shape[0] != 1 || packed.Tokens != q.Shape[1] || packed.Tokens != k.Shape[1]))
        {
            throw new TensorException(
                "attention",
                $"packed sequences of {packed.Tokens} tokens do not fit q of shape {q.Shape} and k of shape {k.Shape}.",
                q,
                k);
        }
    }
}
