using DynConv.Modules;
using DynConv.Ops;

namespace DynConv.Diagnostics;

/// <summary>
/// One set of inputs of a convolution, and its passes over them. The result and the gradients of the last pass stay
/// where they are until the next, so that sets taken in turn write to memory of their own.
/// </summary>
internal sealed class ConvolutionWork : IDisposable
{
    private const int MeanSequence = 512;

    private readonly ConvolutionShape _shape;
    private readonly ShortConvolutionOptions _options;
    private readonly Tensor[] _leaves;
    private readonly Tensor _x;
    private readonly Tensor _dy;
    private Tensor? _y;
    private Tape? _tape;

    public ConvolutionWork(ConvolutionShape shape, NormalValues values, Device device)
    {
        _shape = shape;
        _options = new ShortConvolutionOptions
        {
            Residual = shape.Residual,
            Packed = shape.Layout == ConvolutionLayout.Packed ? Sequences(shape.Batch * shape.Time) : null,
        };
        _leaves = [.. InputShapes(shape).Select(Leaf)];
        _x = shape.Layout == ConvolutionLayout.Slice
            ? TensorScope.Release(_leaves[0].Slice(-1, shape.Channels, shape.Channels))
            : _leaves[0];
        _dy = TensorScope.Release(values.Tensor(_x.Shape, shape.DType, device));

        Tensor Leaf(Shape dimensions) =>
            TensorScope.Release(values.Tensor(dimensions, shape.DType, device)).RequireGradient();
    }

    public void Forward()
    {
        Clear();
        using var scope = new TensorScope();
        _y = TensorScope.Release(Apply());
    }

    public void ForwardBackward()
    {
        PrepareBackward();
        Backward();
    }

    /// <summary>The forward pass that <see cref="Backward"/> goes back through.</summary>
    public void PrepareBackward()
    {
        Clear();
        using var scope = new TensorScope();
        _tape = new Tape();
        _y = TensorScope.Release(Apply());
    }

    public void Backward()
    {
        using Tape tape = _tape!;
        tape.Backward(_y!, _dy);
        _tape = null;
    }

    public void Dispose()
    {
        Clear();
        _options.Packed?.Dispose();
        _x.Dispose();
        _dy.Dispose();
        foreach (Tensor leaf in _leaves)
        {
            leaf.Dispose();
        }
    }

    // In this order: x, or what it is a part of; the kind's own filters; the static weight.
    private static IEnumerable<Shape> InputShapes(ConvolutionShape shape)
    {
        (long batch, long time) = shape.Layout == ConvolutionLayout.Packed ? (1, shape.Batch * shape.Time) : (shape.Batch, shape.Time);
        yield return [batch, time, shape.Layout == ConvolutionLayout.Slice ? 3 * shape.Channels : shape.Channels];
        if (shape.Kind == ShortConvolutionKind.HeadWise)
        {
            yield return [batch, time, shape.Channels / shape.HeadSize, shape.Width];
        }

        if (shape.Kind == ShortConvolutionKind.LowRank)
        {
            yield return [batch, time, shape.Rank];
            yield return [shape.Rank, shape.Width * shape.Channels];
        }

        if (shape.Static)
        {
            yield return [shape.Width, shape.Channels];
        }
    }

    private static PackedSequences Sequences(long tokens)
    {
        var random = new RandomSource(2);
        var bounds = new List<long> { 0 };
        while (bounds[^1] < tokens)
        {
            bounds.Add(Math.Min(tokens, bounds[^1] + 1 + (long)(random.NextDouble() * 2 * MeanSequence)));
        }

        return new PackedSequences([.. bounds]);
    }

    private Tensor Apply()
    {
        Tensor? constant = _shape.Static ? _leaves[^1] : null;
        return _shape.Kind switch
        {
            ShortConvolutionKind.Static => StaticConvolution.Apply(_x, constant!, _options),
            ShortConvolutionKind.HeadWise => HeadWiseConvolution.Apply(_x, _leaves[1], constant, _options),
            _ => LowRankConvolution.Apply(_x, _leaves[1], _leaves[2], constant, _options),
        };
    }

    private void Clear()
    {
        _tape?.Dispose();
        _tape = null;
        _y?.Dispose();
        _y = null;
        foreach (Tensor leaf in _leaves)
        {
            leaf.ClearGradient();
        }
    }
}
