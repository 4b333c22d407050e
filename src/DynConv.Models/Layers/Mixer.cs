using DynConv.Modules;

namespace DynConv.Models.Layers;

/// <summary>
/// Half of a layer. A sequence mixer lets tokens see those before them (attention); a channel mixer works on each
/// token (feed-forward). Either may contain short convolutions and so have a state between calls.
/// </summary>
public abstract class Mixer : Module
{
    /// <summary>Mixes normalised activations.</summary>
    /// <param name="x"><c>[B, T, D]</c>.</param>
    /// <param name="context">Where the tokens stand, and what earlier ones left behind.</param>
    /// <returns><c>[B, T, D]</c>, to be added to the residual stream.</returns>
    public abstract Tensor Forward(Tensor x, MixerContext context);

    /// <summary>The state before the first token.</summary>
    /// <param name="batch">Sequences side by side, B.</param>
    /// <param name="maxTokens">The longest that a sequence will become.</param>
    public abstract IMixerState CreateState(long batch, long maxTokens);

    /// <summary>Channels as heads, <c>[B, T, heads, D / heads]</c>.</summary>
    private protected static Tensor Heads(Tensor x, int heads) => x.Reshape(x.Shape[0], x.Shape[1], heads, x.Shape[2] / heads);
}

/// <summary>What a <see cref="Mixer"/> keeps of earlier tokens; belongs to the mixer that made it.</summary>
public interface IMixerState : IDisposable;
