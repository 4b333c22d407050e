using DynConv.Cpu;

namespace DynConv.Ops;

/// <summary>The inputs of a call as the CPU reads them.</summary>
internal sealed class SsdInputs(SsdShape shape, SsdTensors tensors)
{
    public SsdShape Shape { get; } = shape;

    public TokenHeads X { get; } = new(tensors.X);

    public TokenHeads Dt { get; } = new(tensors.Dt);

    public float[] A { get; } = tensors.A.ToArray<float>();

    public TokenHeads B { get; } = new(tensors.B);

    public TokenHeads C { get; } = new(tensors.C);

    /// <summary>Zeros where there is none.</summary>
    public float[] D { get; } = tensors.D?.ToArray<float>() ?? new float[shape.Heads];

    public StateRows Initial { get; } = StateRows.Of(tensors.Initial);

    /// <summary>
    /// <c>c_i . b_j</c> of the tokens of each chunk, j up to i, else 0: <c>[chunks, G, 64, 64]</c>. All heads of a group use them.
    /// </summary>
    public Tensor Scores(TokenChunk[] chunks)
    {
        Tensor scores = Tensor.Zeros([Shape.Chunks, Shape.Groups, TokenChunks.Size, TokenChunks.Size]);
        var places = StateRows.Of(scores);
        Workers.For(chunks.Length * Shape.Groups, item =>
        {
            (long i, long group) = Math.DivRem(item, Shape.Groups);
            using var reader = new SsdRowReader(Shape);
            reader.Multiply(B, C, chunks[i], group, places);
        });
        return scores;
    }
}

/// <summary>Rows of b and c of a chunk as factors of products: where they are, or copied together.</summary>
internal sealed unsafe class SsdRowReader(SsdShape shape) : IDisposable
{
    private readonly Tensor _memory = Tensor.Empty([2, TokenChunks.Size, shape.StateSize]);

    /// <summary>The rows of b.</summary>
    public GemmOperand B(in TokenHeads rows, TokenChunk chunk, long group) => Read(rows, chunk, group, _memory.Float());

    /// <summary>The rows of c.</summary>
    public GemmOperand C(in TokenHeads rows, TokenChunk chunk, long group) =>
        Read(rows, chunk, group, _memory.Float() + (TokenChunks.Size * shape.StateSize));

    public void Dispose() => _memory.Dispose();

    /// <summary>Puts the products of a chunk to its place.</summary>
    public void Multiply(in TokenHeads b, in TokenHeads c, TokenChunk chunk, long group, in StateRows places)
    {
        float* scores = places.Dense(chunk.Place, group);
        (long n, int count) = (shape.StateSize, chunk.Count);
        Gemm.Multiply(new GemmProblem(
            count, count, n, C(c, chunk, group), B(b, chunk, group).Transpose(), scores, TokenChunks.Size, accumulate: false));

        // What is masked may be infinite, and is not multiplied by the zero of its decay.
        for (int i = 0; i < count; i++)
        {
            new Span<float>(scores + (i * TokenChunks.Size) + i + 1, count - i - 1).Clear();
        }
    }

    private GemmOperand Read(in TokenHeads rows, TokenChunk chunk, long group, float* memory)
    {
        if (rows.Stride == 1 && rows.TimeStride >= shape.StateSize)
        {
            return new GemmOperand(rows.At(chunk.Start, group), rows.TimeStride);
        }

        rows.Gather(chunk.Start, chunk.Count, group, shape.StateSize, memory);
        return new GemmOperand(memory, shape.StateSize);
    }
}
