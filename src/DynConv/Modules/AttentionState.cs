namespace DynConv.Modules;

/// <summary>
/// What a <see cref="CausalSelfAttention"/> keeps of earlier tokens: keys, values and its convolutions' last inputs. No
/// gradient flows through it.
/// </summary>
public sealed class AttentionState : IDisposable
{
    private readonly Tensor _keys;
    private readonly Tensor _values;

    internal AttentionState(Tensor keys, Tensor values, IReadOnlyList<Tensor?> convolved)
    {
        (_keys, _values) = (keys, values);
        (Queries, Keys, Values) = (new(convolved[0]), new(convolved[1]), new(convolved[2]));
    }

    /// <summary>Tokens of each sequence that it has seen.</summary>
    public long Length { get; private set; }

    /// <summary>Tokens of each sequence that it has room for.</summary>
    public long MaximumLength => _keys.Shape[1];

    internal ConvolutionPlace Queries { get; }

    internal ConvolutionPlace Keys { get; }

    internal ConvolutionPlace Values { get; }

    /// <inheritdoc/>
    public void Dispose()
    {
        _keys.Dispose();
        _values.Dispose();
        foreach (ConvolutionPlace place in (ConvolutionPlace[])[Queries, Keys, Values])
        {
            place.Inputs?.Dispose();
        }
    }

    internal void CheckRoom(Tensor x)
    {
        if (x.Shape[0] != _keys.Shape[0] || Length + x.Shape[1] > MaximumLength)
        {
            throw new TensorException(
                "attention", $"the state is of {_keys.Shape[0]} sequences with room for {MaximumLength} tokens, {Length} of them taken, and x is {x.Shape}.", x);
        }
    }

    internal (Tensor Keys, Tensor Values) Append(Tensor k, Tensor v)
    {
        long tokens = k.Shape[1];
        _keys.Slice(1, Length, tokens).CopyFrom(k);
        _values.Slice(1, Length, tokens).CopyFrom(v);
        Length += tokens;
        return (_keys.Slice(1, 0, Length), _values.Slice(1, 0, Length));
    }
}

/// <summary>The last inputs of one convolution, <c>[B, W-1, D]</c>; null where there is none.</summary>
internal sealed record ConvolutionPlace(Tensor? Inputs);
