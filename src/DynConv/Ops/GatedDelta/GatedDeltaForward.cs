using DynConv.Cpu;

namespace DynConv.Ops;

/// <summary>What the forward pass on the CPU reads and writes; no final state or states where nobody wants them.</summary>
internal sealed record GatedDeltaForwardPass(
    GatedDeltaShape Shape, GatedDeltaInputs Inputs, TokenHeads Y, StateRows Initial, StateRows Final, StateRows States);

/// <summary>One value head of one sequence, chunk by chunk.</summary>
internal readonly unsafe struct GatedDeltaForward(GatedDeltaForwardPass pass, TokenSequence sequence, long head) : ISimdKernel
{
    public void Invoke<TSimd, TVector>()
        where TSimd : struct, ISimd<TVector>
        where TVector : struct
    {
        GatedDeltaShape shape = pass.Shape;
        (long k, long v) = (shape.KeySize, shape.ValueSize);
        using var chunk = new GatedDeltaChunk(shape);
        using Tensor memory = Tensor.Empty([(k * v) + (GatedDeltaChunk.Size * v)]);
        float* state = memory.Float();
        float* result = state + (k * v);
        pass.Initial.Read(sequence.Index, head, state, k, v);
        long place = TokenChunks.FirstPlace(sequence);
        for (long token = sequence.Start; token < sequence.End; token += GatedDeltaChunk.Size, place++)
        {
            if (!pass.States.IsNone)
            {
                Copy(state, pass.States.Dense(place, head));
            }

            int count = (int)Math.Min(GatedDeltaChunk.Size, sequence.End - token);
            chunk.Load<TSimd, TVector>(pass.Inputs, token, count, head);
            chunk.Solve<TSimd, TVector>(state);
            chunk.ScaleRows<TSimd, TVector>(chunk.Queries, chunk.FromStart, 1);
            GatedDeltaChunk.Product(count, v, k, new(chunk.Scaled, k), new(state, v), result, v, accumulate: false);
            GatedDeltaChunk.Product(
                count, v, count, new(chunk.Scores, GatedDeltaChunk.Size), new(chunk.Corrections, v), result, v, accumulate: true);
            for (int i = 0; i < count; i++)
            {
                new Span<float>(result + (i * v), checked((int)v)).CopyTo(new Span<float>(pass.Y.At(token + i, head), (int)v));
            }

            RowMath.Scale<TSimd, TVector>(state, chunk.Whole, k * v);
            chunk.ScaleRows<TSimd, TVector>(chunk.Keys, chunk.ToEnd, 1);
            GatedDeltaChunk.Product(
                k, v, count, new(chunk.Scaled, k, transposed: true), new(chunk.Corrections, v), state, v, accumulate: true);
        }

        if (!pass.Final.IsNone)
        {
            Copy(state, pass.Final.Dense(sequence.Index, head));
        }

        void Copy(float* from, float* to)
        {
            long bytes = k * v * sizeof(float);
            Buffer.MemoryCopy(from, to, bytes, bytes);
        }
    }
}
