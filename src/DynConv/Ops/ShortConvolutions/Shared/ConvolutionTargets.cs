namespace DynConv.Ops;

/// <summary>Collects the gradients that the three kinds share, and hands the finished ones to the tape when disposed.</summary>
internal sealed class ConvolutionTargets : IDisposable
{
    private readonly BackwardContext _context;
    private readonly ConvolutionInputs _inputs;
    private readonly GradientPlaces _places;
    private Tensor? _staticPartials;

    public ConvolutionTargets(ConvolutionInputs inputs, Tensor dy, BackwardContext g)
    {
        _context = g;
        _inputs = inputs;
        Dy = dy;
        _places = new GradientPlaces(g);
        X = _places.Rows(ConvolutionInputs.XInput, innerDimensions: 1);
        State = _places.Rows(ConvolutionInputs.StateInput, innerDimensions: 1);
    }

    /// <summary>Of the sums over taps, with inner stride 1.</summary>
    public Tensor Dy { get; }

    /// <summary>Where the gradient of x goes.</summary>
    public GradientRows X { get; }

    /// <summary>Where the gradient of the initial state goes.</summary>
    public GradientRows State { get; }

    /// <summary>Where the kernel writes the gradient of an input that only this kind has.</summary>
    public GradientRows Own(int input, int innerDimensions) => _places.Rows(input, innerDimensions);

    /// <summary>
    /// Where the kernel leaves sums for the static weight's gradient, float32 <c>[parts, W, D]</c>: it fills them all. Null
    /// if that gradient is not wanted.
    /// </summary>
    public Tensor? StaticPartials(long parts) => _context.Needs(ConvolutionInputs.StaticInput)
        ? _staticPartials = Tensor.Empty([parts, _inputs.Width, _inputs.Channels], DType.Float32, _inputs.X.Device)
        : null;

    /// <summary>As the CPU kernels see them; those add to the initial state's gradient.</summary>
    public ConvolutionGradients Cpu(ConvolutionBlocking blocking)
    {
        State.ClearUndefined();
        return new(Dy, X.Tensor, X.Accumulate, State.Tensor, StaticPartials(blocking.Parts));
    }

    public void Dispose()
    {
        _places.Dispose();
        if (!_context.Needs(ConvolutionInputs.StaticInput))
        {
            return;
        }

        // Where there are no tokens, there are no parts.
        using var own = new GradientPlaces(_context);
        GradientRows target = own.Rows(ConvolutionInputs.StaticInput, innerDimensions: 2);
        PartialSums.SumInto(_staticPartials ?? StaticPartials(0)!, target.Tensor!, target.Accumulate);
    }
}

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
