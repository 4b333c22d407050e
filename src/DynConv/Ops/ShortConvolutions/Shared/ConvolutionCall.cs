using System.Runtime.CompilerServices;

namespace DynConv.Ops;

/// <summary>The checked arguments that the three kinds share, as the CPU kernels see them.</summary>
internal sealed unsafe class ConvolutionCall
{
    public const int LargestWidth = PackedPlaces.MostBefore + 1;

    // Of short sequences, as of one token each in decoding, several fit.
    private const int EdgesTogether = 8;

    private readonly float* _state;
    private readonly long _stateSequenceStride;
    private readonly long _stateRowStride;

    public ConvolutionCall(Tensor x, int width, TokenSequences sequences, bool residual, Tensor? state, Tensor? y, ConvolutionFinish finish)
    {
        Sequences = sequences;
        Width = width;
        Residual = residual;
        Channels = x.Shape[2];
        X = new TokenRows(x);
        Y = y is null ? default : new TokenRows(y);
        Finish = new FinishedRows(finish);
        if (state is not null)
        {
            _state = state.Float();
            _stateSequenceStride = state.Strides[0];
            _stateRowStride = state.Strides[1];
        }
    }

    /// <summary>The most edge tokens whose filters, or products, are worked out together.</summary>
    public long MostEdges => Math.Max(Width - 1, EdgesTogether);

    public TokenSequences Sequences { get; }

    public int Width { get; }

    public bool Residual { get; }

    public long Channels { get; }

    public TokenRows X { get; }

    public TokenRows Y { get; }

    /// <summary>What becomes of the sums in <see cref="Y"/>.</summary>
    public FinishedRows Finish { get; }

    /// <summary>
    /// How many tokens from one on lie next to the start of their sequences, or to the end, where windows are not whole: as
    /// far as <see cref="MostEdges"/> and to <paramref name="end"/> at most.
    /// </summary>
    public long Edges(long token, long end, bool atStart)
    {
        end = Math.Min(end, token + MostEdges);
        long at = token;
        while (at < end)
        {
            TokenSequence sequence = Sequences.At(at);
            long first = atStart ? sequence.Start : Math.Max(sequence.Start, sequence.End - (Width - 1));
            long last = atStart ? Math.Min(sequence.End, sequence.Start + Width - 1) : sequence.End;
            if (at < first || at >= last)
            {
                break;
            }

            at = Math.Min(last, end);
        }

        return at - token;
    }

    /// <summary>The inputs at a token and the W - 1 steps before it: of the sequence, of its initial state, or zeros.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Window(TokenSequence sequence, long token, ChannelBlock block, float* zeros, float** values)
    {
        float* row = X[token] + block.Start;
        long time = token - sequence.Start;
        for (int w = 0; w < Width; w++)
        {
            values[w] =
                w <= time ? row - (w * X.TimeStride)
                : _state is null ? zeros
                : _state + (sequence.Index * _stateSequenceStride) + ((Width - 1 + time - w) * _stateRowStride) + block.Start;
        }
    }
}
