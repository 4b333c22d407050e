using DynConv.Ops;

namespace DynConv.Models.Layers;

/// <summary>What a mixer is told beside the activations.</summary>
public sealed class MixerContext
{
    private readonly List<Tensor>? _losses;

    internal MixerContext(TokenPositions positions, List<Tensor>? losses, IMixerState? state = null)
    {
        Positions = positions;
        _losses = losses;
        State = state;
    }

    /// <summary>
    /// What earlier tokens left behind, to be brought up to date; null for sequences that start here and are not continued.
    /// </summary>
    public IMixerState? State { get; }

    /// <summary>Where each token stands in its sequence.</summary>
    public TokenPositions Positions { get; }

    /// <summary>
    /// Bounds of the sequences that share the one row of tokens, which must not see one another; null where each row is a
    /// sequence. Never together with a <see cref="State"/>.
    /// </summary>
    public PackedSequences? Packed => Positions.Packed;

    /// <summary>Whether anybody wants losses: false outside of training.</summary>
    public bool WantsLosses => _losses is not null;

    /// <summary>Adds to what training minimises, for example a term that balances experts.</summary>
    /// <param name="loss">A scalar, float32, with its weight in it; its gradient is computed with the rest. Becomes the context's.</param>
    /// <exception cref="TensorException">It is not a single float32.</exception>
    public void AddLoss(Tensor loss)
    {
        if (loss.Count != 1 || loss.DType != DType.Float32)
        {
            throw new TensorException("add_loss", $"a loss is a single float32, and this is {loss.DType.Name()} {loss.Shape}.", loss);
        }

        _losses?.Add(TensorScope.Release(loss));
    }

    /// <summary>The same for a mixer with a state of its own.</summary>
    internal MixerContext With(IMixerState? state) => new(Positions, _losses, state);
}
