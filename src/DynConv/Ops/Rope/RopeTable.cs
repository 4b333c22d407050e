namespace DynConv.Ops;

/// <summary>
/// Cosines and sines of rotary position embedding for the positions of a model: computed in float64, kept as float32.
/// </summary>
/// <remarks>The table grows with the positions that are asked for, up to <see cref="MaximumLength"/>.</remarks>
public sealed partial class RopeTable : IDisposable
{
    private const long FirstLength = 2048;

    private readonly Lock _growth = new();
    private readonly double[] _frequencies;
    private readonly Device _device;
    private Tensor _table;

    /// <summary>The usual frequencies, <c>theta^(-2i / headDim)</c> for i in <c>0 .. headDim / 2 - 1</c>.</summary>
    /// <param name="theta">Base of the frequencies, above 0: 10000 in Llama and Llama 2, 500000 in Llama 3.</param>
    /// <param name="headDim">Channels of a head, K; even.</param>
    /// <param name="maximumLength">Number of positions; later ones are refused.</param>
    /// <param name="device">Where; the CPU if not given.</param>
    /// <exception cref="ArgumentException">An argument is out of range.</exception>
    public RopeTable(double theta, int headDim, long maximumLength, Device? device = null)
        : this(Frequencies(theta, headDim), maximumLength, device)
    {
    }

    /// <summary>Any frequencies, such as the scaled ones of Llama 3.1.</summary>
    /// <param name="frequencies">K / 2 angles in radians by which one step of position turns each pair of channels.</param>
    /// <param name="maximumLength">Number of positions; later ones are refused.</param>
    /// <param name="device">Where; the CPU if not given.</param>
    /// <exception cref="ArgumentException">An argument is out of range.</exception>
    public RopeTable(ReadOnlySpan<double> frequencies, long maximumLength, Device? device = null)
    {
        if (frequencies.Length == 0 || maximumLength < 1)
        {
            throw new ArgumentException(
                $"A rotary table needs frequencies and positions, not {frequencies.Length} and {maximumLength}.", nameof(frequencies));
        }

        _frequencies = frequencies.ToArray();
        _device = device ?? Device.Cpu;
        MaximumLength = maximumLength;
        _table = Make(Math.Min(FirstLength, maximumLength));
    }

    /// <summary>Channels of a head, K.</summary>
    public int HeadDim => 2 * _frequencies.Length;

    /// <summary>Number of positions the table can serve.</summary>
    public long MaximumLength { get; }

    /// <summary><c>theta^(-2i / headDim)</c>: what a scaled variant starts from.</summary>
    /// <param name="theta">Base of the frequencies, above 0.</param>
    /// <param name="headDim">Channels of a head; even.</param>
    /// <exception cref="ArgumentException">An argument is out of range.</exception>
    public static double[] Frequencies(double theta, int headDim)
    {
        if (headDim < 2 || headDim % 2 != 0)
        {
            throw new ArgumentException($"Rotary position embedding needs an even head size, not {headDim}.", nameof(headDim));
        }

        if (!(theta > 0) || !double.IsFinite(theta))
        {
            throw new ArgumentException($"theta of a rotary position embedding has to be above 0, not {theta}.", nameof(theta));
        }

        return [.. Enumerable.Range(0, headDim / 2).Select(i => Math.Pow(theta, -2.0 * i / headDim))];
    }

    /// <summary>Gives the table's memory back.</summary>
    public void Dispose() => _table.Dispose();

    /// <summary>
    /// <c>[at least length, 2, K / 2]</c>: for each position the cosines, then the sines. The caller disposes the view.
    /// </summary>
    internal Tensor Rows(long length)
    {
        lock (_growth)
        {
            if (length > _table.Shape[0])
            {
                Tensor grown = Make(Math.Min(MaximumLength, Math.Max(length, 2 * _table.Shape[0])));
                _table.Dispose();
                _table = grown;
            }

            return _table.Alias();
        }
    }

    private Tensor Make(long length)
    {
        using var scope = new TensorScope();
        return TensorScope.Release(MakeCpu(length).To(_device));
    }
}
