using DynConv.Cpu;

namespace DynConv.Ops;

/// <summary>What the forward pass on the CPU reads and writes; no final state where nobody wants it.</summary>
internal sealed record SsdForwardPass(SsdInputs Inputs, StateRows Scores, TokenHeads Y, StateRows Final);

/// <summary>One head of one sequence, chunk by chunk.</summary>
internal readonly unsafe struct SsdForward(SsdForwardPass pass, TokenSequence sequence, long head) : ISimdKernel
{
    public void Invoke<TSimd, TVector>()
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        SsdInputs inputs = pass.Inputs;
        (long p, long n) = (inputs.Shape.HeadSize, inputs.Shape.StateSize);
        long group = head / inputs.Shape.HeadsAGroup;
        using var chunk = new SsdChunk(inputs);
        using Tensor memory = Tensor.Empty([(p * n) + (SsdChunk.Size * p)]);
        float* state = memory.Float();
        float* result = state + (p * n);
        inputs.Initial.Read(sequence.Index, head, state, p, n);
        foreach (TokenChunk tokens in TokenChunks.Of(sequence))
        {
            chunk.LoadGroup(tokens, group);
            chunk.LoadHead<TSimd, TVector>(head, withPairs: true);
            chunk.Weigh<TSimd, TVector>(pass.Scores.Dense(tokens.Place, group));
            SsdChunk.Product(tokens.Count, p, n, chunk.C, new(state, n, transposed: true), result, p, accumulate: false);
            for (int i = 0; i < tokens.Count; i++)
            {
                RowMath.Scale<TSimd, TVector>(result + (i * p), chunk.Decays.FromStart[i], p);
                RowMath.AddScaled<TSimd, TVector>(result + (i * p), chunk.X + (i * p), inputs.D[head], p);
            }

            SsdChunk.Product(
                tokens.Count, p, tokens.Count, new(chunk.Weights, SsdChunk.Size), new(chunk.X, p), result, p, accumulate: true);
            for (int i = 0; i < tokens.Count; i++)
            {
                new Span<float>(result + (i * p), checked((int)p)).CopyTo(new Span<float>(pass.Y.At(tokens.Start + i, head), (int)p));
            }

            chunk.AddToState<TSimd, TVector>(state, chunk.X, chunk.ToState, chunk.B);
        }

        if (!pass.Final.IsNone)
        {
            long bytes = p * n * sizeof(float);
            Buffer.MemoryCopy(state, pass.Final.Dense(sequence.Index, head), bytes, bytes);
        }
    }
}
