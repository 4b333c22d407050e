namespace DynConv.Ops;

/// <summary>Collects the gradients that the three kinds share, and hands the finished ones to the tape when disposed.</summary>
internal sealed class ConvolutionTargets : IDisposable
{
    private readonly BackwardContext _context;
    private readonly Tensor _dy;
    private readonly GradientRows _x;
    private readonly GradientRows _state;
    private readonly Tensor? _staticPartials;
    private GradientRows _own;

    public ConvolutionTargets(ConvolutionInputs inputs, BackwardContext g, ConvolutionBlocking blocking)
    {
        _context = g;
        _dy = RowLayout.Of(g.Gradient(0)!);
        _x = GradientRows.Of(g, ConvolutionInputs.XInput, innerDimensions: 1);
        _state = GradientRows.Of(g, ConvolutionInputs.StateInput, innerDimensions: 1, first: _x);
        if (!_state.Accumulate)
        {
            _state.Tensor?.Clear();
        }

        if (g.Needs(ConvolutionInputs.StaticInput))
        {
            _staticPartials = Tensor.Empty([blocking.Parts, inputs.Width, inputs.Channels]);
        }
    }

    /// <summary>Where the kernel writes the gradient of an input that only this kind has.</summary>
    public GradientRows Own(int input, int innerDimensions) =>
        _own = GradientRows.Of(_context, input, innerDimensions, first: _x);

    public ConvolutionGradients Cpu() => new(_dy, _x.Tensor, _x.Accumulate, _state.Tensor, _staticPartials);

    public void Dispose()
    {
        _x.Dispose();
        _state.Dispose();
        _own.Dispose();
        if (_staticPartials is not null)
        {
            _context.Add(ConvolutionInputs.StaticInput, PartialSums.Sum(_staticPartials));
        }
    }
}
