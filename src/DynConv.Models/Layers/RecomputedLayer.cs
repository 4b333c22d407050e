using DynConv.Ops;

namespace DynConv.Models.Layers;

/// <summary>
/// A layer as one op that saves no more than its input: the backward pass computes it again, for as long as its own backward pass
/// takes. The same gradients, bit by bit, for the time of one more forward pass.
/// </summary>
internal static class RecomputedLayer
{
    /// <summary>Applies the layer.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="x"><c>[B, T, D]</c>.</param>
    /// <param name="positions">Of the tokens.</param>
    /// <param name="losses">Takes what mixers add to the loss; null if nobody wants it.</param>
    /// <param name="again">Makes the positions anew when the backward pass needs them.</param>
    public static Tensor Forward(
        Layer layer, Tensor x, TokenPositions positions, List<Tensor>? losses, Func<TokenPositions> again)
    {
        using var scope = new TensorScope();
        List<Tensor>? own = losses is null ? null : [];
        Tensor y;
        using (Tape.Pause())
        {
            y = layer.Forward(new(x), new MixerContext(positions, own, null), null).Total();
        }

        // Whoever asked for the losses gives them back, also when what follows fails.
        losses?.AddRange(own!);
        Tape.Record("layer", [y, .. own ?? []], [x], [x], g => Backward(g, layer, again(), own?.Count));
        return scope.Keep(y);
    }

    private static void Backward(BackwardContext g, Layer layer, TokenPositions positions, int? losses)
    {
        using (positions)
        using (var tape = new Tape())
        {
            Tensor x = g.Saved(0).Detach().RequireGradient();
            List<Tensor> own = [];
            try
            {
                ResidualStream y = layer.Forward(new(x), new MixerContext(positions, losses is null ? null : own, null), null);

                // The gradient of a sum is that of both summands: nobody needs the sum itself again.
                var results = new List<(Tensor, Tensor)>();
                AddResult(y.Sum, 0);
                AddResult(y.Added, 0);
                for (int i = 0; i < own.Count; i++)
                {
                    AddResult(own[i], i + 1);
                }

                tape.Backward([.. results]);

                void AddResult(Tensor? result, int output)
                {
                    if (result is { RequiresGradient: true } && g.Gradient(output) is { } gradient)
                    {
                        results.Add((result, gradient));
                    }
                }
            }
            finally
            {
                own.ForEach(loss => loss.Dispose());
            }

            if (x.Gradient is { } dx)
            {
                g.Add(0, dx);
            }
        }
    }
}
