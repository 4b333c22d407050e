namespace DynConv.Ops;

/// <summary>Where the gradients that the three kinds share come from and go to.</summary>
internal sealed unsafe class ConvolutionGradients
{
    private readonly Tensor? _state;

    public ConvolutionGradients(Tensor dy, Tensor? dx, bool accumulateX, Tensor? dState, Tensor? staticPartials)
    {
        Y = new TokenRows(dy);
        NeedsX = dx is not null;
        X = dx is null ? default : new TokenRows(dx);
        AccumulateX = accumulateX;
        _state = dState;
        StaticPartials = staticPartials;
    }

    public TokenRows Y { get; }

    public TokenRows X { get; }

    public bool NeedsX { get; }

    public bool AccumulateX { get; }

    public bool NeedsState => _state is not null;

    public bool NeedsInputs => NeedsX || NeedsState;

    /// <summary>Sums over the tokens of a part, <c>[parts, W, D]</c>.</summary>
    public Tensor? StaticPartials { get; }

    public float* StateRow(long sequence, long row) =>
        _state!.Float() + (sequence * _state.Strides[0]) + (row * _state.Strides[1]);
}
