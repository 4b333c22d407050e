using DynConv.Ops;

namespace DynConv.Modules;

/// <summary>Llama's feed-forward layer, <c>down(silu(gate(x)) * up(x))</c>, without biases.</summary>
public sealed class FeedForward : Module
{
    private readonly Linear _gate;
    private readonly Linear _up;
    private readonly Linear _down;

    /// <summary>Makes the layer.</summary>
    /// <param name="channels">Channels outside.</param>
    /// <param name="hidden">Channels inside; 8/3 of those outside is usual.</param>
    /// <param name="random">Where the initial values come from.</param>
    /// <param name="device">Where the parameters live; the CPU if not given.</param>
    public FeedForward(int channels, int hidden, RandomSource random, Device? device = null)
    {
        ArgumentNullException.ThrowIfNull(random);
        _gate = Add("gate_proj", new Linear(channels, hidden, random.Fork("gate_proj"), bias: false, device));
        _up = Add("up_proj", new Linear(channels, hidden, random.Fork("up_proj"), bias: false, device));
        _down = Add("down_proj", new Linear(hidden, channels, random.Fork("down_proj"), bias: false, device));
    }

    /// <summary>Applies the layer to each token.</summary>
    /// <param name="x"><c>[..., channels]</c>.</param>
    /// <returns>The shape of <paramref name="x"/>.</returns>
    /// <exception cref="TensorException">The shape or dtype does not fit.</exception>
    public Tensor Forward(Tensor x)
    {
        using var scope = new TensorScope();
        return scope.Keep(_down.Forward(SwiGlu.Apply(_gate.Forward(x), _up.Forward(x))));
    }
}
