namespace DynConv.Ops;

/// <summary>
/// The logits of some rows at a time, in one buffer, and what is made of them. Belongs to the scope that is open. How many rows make a
/// chunk follows from shapes alone.
/// </summary>
internal sealed class LogitChunks
{
    // A chunk's bytes, and the rows that it has at least, whatever their bytes: with fewer a card's products no longer fill it, and
    // each chunk goes over the weight's gradient in memory.
    private const long CudaBytes = 512L << 20;
    private const long CudaRows = 4096;
    private const long CpuBytes = 16L << 20;
    private const long CpuRows = 512;

    // A tile of a matrix product.
    private const long RowStep = 128;

    // Rows begin at a multiple of this: products are slow where they begin anywhere, as those of an odd number of classes would.
    private const long ColumnStep = 64;

    private readonly Tensor _hidden;
    private readonly Tensor _weight;
    private readonly int _ignoreIndex;
    private readonly long _chunkRows;
    private readonly Tensor _buffer;

    /// <param name="hidden"><c>[..., K]</c>.</param>
    /// <param name="weight"><c>[V, K]</c>.</param>
    /// <param name="targets"><c>[...]</c>.</param>
    /// <param name="ignoreIndex">Rows with this target count for nothing.</param>
    /// <param name="chunkRows">Rows of a chunk; as many as suit the device if not given.</param>
    public LogitChunks(Tensor hidden, Tensor weight, Tensor targets, int ignoreIndex, long? chunkRows)
    {
        (long classes, long width) = (weight.Shape[0], weight.Shape[1]);
        Targets = CrossEntropy.CheckTargets("linear_cross_entropy", targets.Reshape(targets.Count), ignoreIndex, classes);
        _hidden = hidden.Detach().Reshape(targets.Count, width);
        _weight = weight.Detach().To(hidden.DType);
        _ignoreIndex = ignoreIndex;
        long rows = targets.Count;
        _chunkRows = Math.Max(1, chunkRows ?? RowsOf(rows, classes * hidden.DType.SizeInBytes(), hidden.Device));
        long padded = (classes + ColumnStep - 1) / ColumnStep * ColumnStep;
        _buffer = Tensor.Empty([Math.Min(rows, _chunkRows), padded], hidden.DType, hidden.Device).Slice(1, 0, classes);
    }

    /// <summary>The target of each row, <c>[N]</c>, contiguous.</summary>
    public Tensor Targets { get; }

    /// <summary>The loss of each row, float32 <c>[N]</c>.</summary>
    public Tensor Losses()
    {
        Tensor losses = Tensor.Empty(Targets.Shape, DType.Float32, Targets.Device);
        ForEach((chunk, logits) => CrossEntropy.WriteRows(
            logits, chunk.Of(Targets), _ignoreIndex, chunk.Of(losses), statistics: null));
        return losses;
    }

    /// <summary>The loss of each row, float32 <c>[N]</c>, and the gradients of their mean.</summary>
    /// <param name="inverseCount">1 over the number of rows that count.</param>
    /// <param name="hiddenGradient">Overwritten; null where it is not wanted.</param>
    /// <param name="weightGradient">float32 <c>[V, K]</c>; overwritten; null where it is not wanted.</param>
    public Tensor LossesAndGradients(Tensor inverseCount, Tensor? hiddenGradient, Tensor? weightGradient)
    {
        Tensor losses = Tensor.Empty(Targets.Shape, DType.Float32, Targets.Device);
        Tensor? gradientRows = hiddenGradient?.Reshape(_hidden.Shape.Dimensions);
        if (Targets.Count == 0)
        {
            weightGradient?.Clear();
        }

        ForEach((chunk, logits) =>
        {
            CrossEntropy.WriteRowsAndGradient(logits, chunk.Of(Targets), _ignoreIndex, inverseCount, chunk.Of(losses));
            if (gradientRows is not null)
            {
                MatMul.WriteProduct(logits, _weight, chunk.Of(gradientRows));
            }

            if (weightGradient is not null && chunk.Start == 0)
            {
                MatMul.WriteProduct(logits.Transpose(0, 1), chunk.Of(_hidden), weightGradient);
            }
            else if (weightGradient is not null)
            {
                MatMul.AddProduct(logits.Transpose(0, 1), chunk.Of(_hidden), weightGradient);
            }
        });
        return losses;
    }

    private void ForEach(Action<Chunk, Tensor> use)
    {
        long rows = Targets.Count;
        for (long start = 0; start < rows; start += _chunkRows)
        {
            using var scope = new TensorScope();
            var chunk = new Chunk(start, Math.Min(_chunkRows, rows - start));
            Tensor logits = _buffer.Slice(0, 0, chunk.Length);
            MatMul.WriteProduct(chunk.Of(_hidden), _weight.Transpose(0, 1), logits);
            FiniteCheck.Values("linear_cross_entropy", [logits]);
            use(chunk, logits);
        }
    }

    /// <summary>Rows of a chunk where all chunks are of about the same size.</summary>
    private static long RowsOf(long rows, long rowBytes, Device device)
    {
        (long bytes, long least) = device.IsCuda ? (CudaBytes, CudaRows) : (CpuBytes, CpuRows);
        long most = Math.Max(least, bytes / Math.Max(1, rowBytes));
        long chunks = Math.Max(1, (rows + most - 1) / most);
        long each = (rows + chunks - 1) / chunks;
        return (each + RowStep - 1) / RowStep * RowStep;
    }

    /// <summary>Rows from <paramref name="Start"/> on.</summary>
    private readonly record struct Chunk(long Start, long Length)
    {
        public Tensor Of(Tensor rows) => rows.Slice(0, Start, Length);
    }
}
