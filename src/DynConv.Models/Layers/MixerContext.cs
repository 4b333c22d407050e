using DynConv.Ops;

namespace DynConv.Models.Layers;

/// <summary>What a mixer is told beside the activations.</summary>
public sealed class MixerContext
{
    private readonly List<Tensor>? _losses;

    /// <summary>Makes a context for a mixer outside of a model; nobody wants losses.</summary>
    /// <param name="positions">Where each token stands in its sequence.</param>
    /// <param name="state">The mixer's; null for sequences that start here and are not continued.</param>
    public MixerContext(TokenPositions positions, IMixerState? state = null)
        : this(positions, null, state)
    {
    }

    internal MixerContext(TokenPositions positions, List<Tensor>? losses, IMixerState? state)
    {
        Positions = positions;
        _losses = losses;
        State = state;
    }

    /// <summary>
    /// What earlier tokens left behind, to be brought up to date; null for sequences that start here and are not continued.
    /// </summary>
    public IMixerState? State { get; }

    /// <summary>Where each token stands in its sequence; until the end of the call.</summary>
    public TokenPositions Positions { get; }

    /// <summary>
    /// Bounds of the sequences that share the one row of tokens, which must not see one another; null where each row is a
    /// sequence. Never together with a <see cref="State"/>.
    /// </summary>
    public PackedSequences? Packed => Positions.Packed;

    /// <summary>Whether anybody wants losses: false outside of training.</summary>
    public bool WantsLosses => _losses is not null;

    /// <summary>Adds to what training minimises, for example a term that balances experts.</summary>
    /// <param name="loss">
    /// A scalar, float32, with its weight in it; becomes the context's. It counts as much as the targets of its call do among
    /// those of a training step.
    /// </param>
    /// <exception cref="TensorException">It is not a scalar, or not float32.</exception>
    public void AddLoss(Tensor loss)
    {
        if (loss.Rank != 0 || loss.DType != DType.Float32)
        {
            throw new TensorException("add_loss", $"a loss is float32 [], and this is {loss.DType.Name()} {loss.Shape}.", loss);
        }

        if (_losses is null)
        {
            loss.Dispose();
            return;
        }

        _losses.Add(TensorScope.Release(loss));
    }

    /// <summary>The same for a mixer inside of this one.</summary>
    /// <param name="state">The inner mixer's.</param>
    public MixerContext With(IMixerState? state) => new(Positions, _losses, state);
}
