namespace DynConv.Models;

/// <summary>
/// How many floating-point operations a model takes for one token of a sequence, by part, worked out from its
/// configuration alone. A multiplication and an addition count one each.
/// </summary>
/// <remarks>
/// <para>
/// Each mixer counts its own part (<see cref="Layers.MixerConfiguration.CountParts"/>). Forward, a token, with D hidden
/// channels, Dq query and Dkv key or value channels, F feed-forward channels, V ids, L layers and sequences of T tokens:
/// </para>
/// <list type="bullet">
/// <item>attention projections: <c>L · 2 · D · (Dq + 2 Dkv + Dq)</c></item>
/// <item>attention: <c>L · 2 · T · Dq</c>: scores and mixture, two products of <c>2 · Dq · T²/2</c> a sequence, as a
/// token looks back alone</item>
/// <item>the gated delta rule of Hv value heads of K and V channels: <c>L · 2 · 3 · Hv · K · V</c>, token by token: what the state has
/// under a key, the correction, what a query reads; state space duality of H heads of P channels with a state of N:
/// <c>L · 2 · 2 · H · P · N</c></item>
/// <item>feed-forward: <c>L · 2 · 3 · D · F</c></item>
/// <item>output: <c>2 · D · V</c>, tied to the embedding or not; looking up an embedding costs nothing</item>
/// <item>a short convolution of width W on a layer with <c>in</c> inputs and C outputs: <c>2 · W · C</c>; its
/// generator in addition, head-wise with head size S <c>2 · in · W · C/S</c>, low-rank with rank R
/// <c>2 · in · R + 2 · R · W · C</c></item>
/// </list>
/// <para>
/// The backward pass counts twice the forward pass. Norms, rotations, activations, the softmax, residual sums and the
/// optimizer are not counted, nor is anything computed anew.
/// </para>
/// </remarks>
/// <param name="Parts">Part and operations of the forward pass for one token, in the order in which a token meets them.</param>
public sealed record FlopCounts(IReadOnlyList<KeyValuePair<string, long>> Parts)
{
    private const long TrainingPasses = 3;

    /// <summary>The forward pass, for one token.</summary>
    public long Forward => Parts.Sum(part => part.Value);

    /// <summary>Forward and backward pass, for one token: three times <see cref="Forward"/>.</summary>
    public long Training => TrainingPasses * Forward;

    /// <summary>Counts the operations of a model.</summary>
    /// <param name="configuration">Its shape.</param>
    /// <param name="context">Tokens of a sequence, T.</param>
    public static FlopCounts Of(ModelConfiguration configuration, int context)
    {
        ModelConfiguration c = configuration.Validate();
        return new FlopCounts(PartCount.Sum(
            [
                .. c.Mixers.SelectMany(mixer => mixer.Count(c.HiddenSize, context)),
                new("output", 0, PartCount.MultiplyAdd * c.HiddenSize * c.VocabularySize),
            ],
            part => part.Operations));
    }
}
