namespace DynConv.Experiments.Recall;

/// <summary>Sequences of one length, side by side.</summary>
/// <param name="Sequences">How many.</param>
/// <param name="Length">Tokens of each.</param>
/// <param name="Tokens">One sequence after the other.</param>
/// <param name="Targets">Likewise.</param>
internal sealed record RecallBatch(int Sequences, int Length, int[] Tokens, int[] Targets)
{
    public static RecallBatch Draw(RecallSequences stream, long first, int sequences, int pairs, int length)
    {
        var tokens = new int[sequences * length];
        var targets = new int[tokens.Length];
        for (int i = 0; i < sequences; i++)
        {
            stream.Fill(first + i, pairs, tokens.AsSpan(i * length, length), targets.AsSpan(i * length, length));
        }

        return new RecallBatch(sequences, length, tokens, targets);
    }

    public Tensor Ids(Device device) => Tensor.From(Tokens, [Sequences, Length], device);

    public Tensor Answers(Device device) => Tensor.From(Targets, [Sequences, Length], device);
}
