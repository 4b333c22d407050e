namespace DynConv.Ops;

public static unsafe partial class ConvolutionState
{
    private static void FinalCpu(ConvolutionInputs inputs, Tensor final)
    {
        var x = new TokenRows(inputs.X);
        Visit(inputs, final, (row, token, sequence, place) =>
        {
            var to = new Span<float>(row, (int)inputs.Channels);
            if (token >= 0)
            {
                new Span<float>(x[token], to.Length).CopyTo(to);
            }
            else if (inputs.InitialState is { } state)
            {
                new Span<float>(Row(state, sequence, place), to.Length).CopyTo(to);
            }
            else
            {
                to.Clear();
            }
        });
    }

    private static void FinalBackwardCpu(ConvolutionInputs inputs, Tensor dFinal, Tensor? dx, Tensor? dState)
    {
        TokenRows x = dx is null ? default : new TokenRows(dx);
        Visit(inputs, dFinal, (row, token, sequence, place) =>
        {
            float* to = token >= 0
                ? dx is null ? null : x[token]
                : dState is null ? null : Row(dState, sequence, place);
            for (long c = 0; to is not null && c < inputs.Channels; c++)
            {
                to[c] += row[c];
            }
        });
    }

    /// <summary>Calls for every row of the final state: the token it comes from, or -1 and the row of the initial state.</summary>
    private static void Visit(ConvolutionInputs inputs, Tensor final, RowVisitor visit)
    {
        for (long n = 0; n < inputs.Sequences.Count; n++)
        {
            TokenSequence sequence = inputs.Sequences[n];
            for (long place = 0; place < inputs.Width - 1; place++)
            {
                long token = sequence.End - (inputs.Width - 1) + place;
                bool inside = token >= sequence.Start;
                visit(Row(final, n, place), inside ? token : -1, n, place + (sequence.End - sequence.Start));
            }
        }
    }

    private static float* Row(Tensor state, long sequence, long place) =>
        state.Float() + (sequence * state.Strides[0]) + (place * state.Strides[1]);

    private delegate void RowVisitor(float* row, long token, long sequence, long place);
}
