namespace DynConv.Ops;

/// <summary>Working memory of one block of work, handed out piece by piece and given back at once.</summary>
internal sealed unsafe class ConvolutionScratch : IDisposable
{
    // A cache line of floats: no piece shares a line with its neighbour.
    private const long Line = 16;

    private readonly Tensor _buffer;
    private float* _next;

    public ConvolutionScratch(long floats)
    {
        _buffer = Tensor.Empty([floats]);
        _next = _buffer.Float();
    }

    public static long Padded(long floats) => (floats + Line - 1) / Line * Line;

    public float* Take(long floats)
    {
        float* piece = _next;
        _next += Padded(floats);
        return piece;
    }

    public void Dispose() => _buffer.Dispose();
}
