namespace DynConv.Ops;

public static partial class Attention
{
    private static Tensor CausalCuda(Tensor q, Tensor k, Tensor v, float scale, Tensor? bounds, RotaryPositions? rotary)
    {
        CheckCuda(q);
        if (rotary is not null && !AttentionWarpgroups.TurnBack(q))
        {
            (q, k) = Rope.Apply(q, k, rotary.Table, rotary.Positions);
            rotary = null;
        }

        if (rotary is null)
        {
            return CausalCuda([q, k, v], q, k, scale, bounds, null);
        }

        using RopeAngles angles = Rope.Angles(q, rotary.Table, rotary.Positions);
        Tensor[] turned = Rope.Turned([q, k], angles);
        return CausalCuda([q, k, v], turned[0], turned[1], scale, bounds, angles);
    }

    /// <param name="inputs">Queries, keys and values, as the op has them.</param>
    /// <param name="q">The queries, turned if there are angles.</param>
    /// <param name="k">The keys, turned if there are angles.</param>
    /// <param name="scale">Factor of the scores.</param>
    /// <param name="bounds">Where the sequence of each token starts and ends, or null.</param>
    /// <param name="angles">What queries and keys were turned by.</param>
    private static Tensor CausalCuda(Tensor[] inputs, Tensor q, Tensor k, float scale, Tensor? bounds, RopeAngles? angles)
    {
        Tensor v = inputs[2];
        Tensor y = Tensor.Empty(q.Shape, q.DType, q.Device);
        Tensor statistics = Tensor.Empty([q.Shape[0], q.Shape[2], q.Shape[1]], DType.Float32, q.Device);
        ForwardCuda(q, k, v, scale, bounds, y, statistics);
        long position = angles?.Position ?? 0;
        return Tape.Record(
            "attention",
            y,
            inputs,
            [q, k, v, y, statistics, bounds, angles?.Table, angles?.Positions],
            g => BackwardCuda(g, scale, position));
    }

    private static void CheckCuda(Tensor q)
    {
        const int Largest = AttentionScalar.LargestHead;
        if (q.Shape[3] > Largest)
        {
            throw new TensorException(
                "attention", $"heads of {q.Shape[3]} channels are more than the {Largest} possible on CUDA.", q);
        }
    }

    private static void ForwardCuda(
        Tensor q, Tensor k, Tensor v, float scale, Tensor? bounds, Tensor y, Tensor statistics)
    {
        if (q.Count == 0)
        {
            return;
        }

        var call = new CudaAttentionCall(q, k, bounds, scale);
        bool decodes = call.Queries <= AttentionDecode.MostQueries;
        if (!decodes && AttentionWarpgroups.Take(q))
        {
            AttentionWarpgroups.Forward(call, q, k, v, y, statistics);
            return;
        }

        bool onTensorCores = !decodes && AttentionTensorCores.Take(q, AttentionTensorCores.LargestForward);
        (q, k, v) =
            (CudaHeads.Rows(q, onTensorCores), CudaHeads.Rows(k, onTensorCores), CudaHeads.Rows(v, onTensorCores));
        if (decodes)
        {
            AttentionDecode.Forward(call, q, k, v, y, statistics);
        }
        else
        {
            AttentionLaunch launch = onTensorCores ? AttentionTensorCores.Forward(call) : AttentionScalar.Forward(call);
            launch.Forward(call, q, k, v, y, statistics);
        }
    }

    private static void BackwardCuda(BackwardContext g, float scale, long position)
    {
        (Tensor q, Tensor k) = (g.Saved(0), g.Saved(1));
        if (k.Count == 0)
        {
            return;
        }

        var call = new CudaAttentionCall(q, k, g.SavedOrNull(5), scale);
        if (q.Count > 0 && AttentionWarpgroups.Take(q))
        {
            RopeAngles? angles = g.SavedOrNull(6) is { } table ? new(table, position, g.SavedOrNull(7)) : null;
            AttentionWarpgroups.Backward(call, g, g.Saved(4), angles);
            return;
        }

        bool onTensorCores = AttentionTensorCores.Take(q, AttentionTensorCores.LargestBackward);
        Tensor dy = CudaHeads.Rows(g.Gradient(0)!, onTensorCores);
        var inputs = new AttentionGradientInputs(
            CudaHeads.Rows(q, onTensorCores),
            CudaHeads.Rows(k, onTensorCores),
            CudaHeads.Rows(g.Saved(2), onTensorCores),
            dy,
            AttentionDelta.Compute(
                call, g.Saved(3), dy, g.Saved(4), onTensorCores ? AttentionTensorCores.StatisticsUnit : 1f, CudaAttentionCall.QueryMultiple));

        using var gradients = new GradientPlaces(g);
        GradientRows dq = gradients.Rows(0, innerDimensions: 1);
        if (dq.Tensor is { Count: > 0 })
        {
            AttentionLaunch launch =
                onTensorCores ? AttentionTensorCores.QueryGradient(call) : AttentionScalar.QueryGradient(call);
            launch.QueryGradient(call, inputs, dq);
        }

        GradientRows dk = gradients.Rows(1, innerDimensions: 1);
        GradientRows dv = gradients.Rows(2, innerDimensions: 1);
        if (dk.Tensor is not null || dv.Tensor is not null)
        {
            AttentionLaunch launch =
                onTensorCores ? AttentionTensorCores.KeyGradients(call) : AttentionScalar.KeyGradients(call);
            launch.KeyGradients(call, inputs, dk, dv);
        }
    }
}
