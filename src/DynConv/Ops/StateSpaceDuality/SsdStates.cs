using DynConv.Cpu;

namespace DynConv.Ops;

/// <summary>
/// What the backward pass of one head and sequence needs of other chunks: the states before all chunks, computed again from the first
/// to the last, and the gradients of the states behind them, from the last to the first.
/// </summary>
internal readonly unsafe struct SsdStates(SsdBackwardPass pass, TokenSequence sequence, long head) : ISimdKernel
{
    public void Invoke<TSimd, TVector>()
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        SsdInputs inputs = pass.Inputs;
        (long p, long n) = (inputs.Shape.HeadSize, inputs.Shape.StateSize);
        long bytes = p * n * sizeof(float);
        long group = head / inputs.Shape.HeadsAGroup;
        using var chunk = new SsdChunk(inputs);
        using Tensor memory = Tensor.Empty([(p * n) + (SsdChunk.Size * p)]);
        float* state = memory.Float();
        float* upstream = state + (p * n);
        TokenChunk[] chunks = TokenChunks.Of(sequence);
        inputs.Initial.Read(sequence.Index, head, state, p, n);
        foreach (TokenChunk tokens in chunks)
        {
            Buffer.MemoryCopy(state, pass.States.Dense(tokens.Place, head), bytes, bytes);
            chunk.LoadGroup(tokens, group);
            chunk.LoadHead<TSimd, TVector>(head, withPairs: false);
            chunk.AddToState<TSimd, TVector>(state, chunk.X, chunk.ToState, chunk.B);
        }

        pass.FinalGradient.Read(sequence.Index, head, state, p, n);
        for (int i = chunks.Length - 1; i >= 0; i--)
        {
            Buffer.MemoryCopy(state, pass.StateGradients.Dense(chunks[i].Place, head), bytes, bytes);
            chunk.LoadGroup(chunks[i], group);
            chunk.LoadHead<TSimd, TVector>(head, withPairs: false);
            pass.ReadUpstream(chunks[i], head, upstream);
            chunk.AddToState<TSimd, TVector>(state, upstream, chunk.Decays.FromStart, chunk.C);
        }

        pass.Initial.WriteState(sequence.Index, head, state, p * n);
    }
}
