using DynConv.Cuda;

namespace DynConv.Ops;

/// <summary>The launches of one call of state space duality on a card, in the order in which the two passes make them.</summary>
internal sealed class SsdKernels
{
    // What the rows of states between chunks are filled up to.
    private const long RowMultiple = 8;

    private static readonly SsdTiles[] Examples =
        [new(DType.Float32, 16, 1, 1), new(DType.Float32, 32, 4, 4), new(DType.BFloat16, 32, 1, 8), new(DType.BFloat16, 64, 8, 8)];

    private static readonly KernelTable<SsdTiles> DecaysKernel = new("ssd_decays.cu", "ssd_decays", SsdTiles.Macros, Examples);

    private static readonly KernelTable<SsdTiles> ScoresKernel = new("ssd_scores.cu", "ssd_scores", SsdTiles.Macros, Examples);

    private static readonly KernelTable<SsdTiles> StatesKernel = new("ssd_states.cu", "ssd_states", SsdTiles.Macros, Examples);

    private static readonly KernelTable<SsdTiles> OutputKernel = new("ssd_output.cu", "ssd_output", SsdTiles.Macros, Examples);

    private static readonly KernelTable<SsdTiles> TokensKernel = new(
        "ssd_backward_tokens.cu", "ssd_backward_tokens", SsdTiles.MacrosWithHeads, Examples);

    private static readonly KernelTable<SsdTiles> GroupsKernel = new(
        "ssd_backward_groups.cu", "ssd_backward_groups", SsdTiles.MacrosWithHeads, Examples);

    private readonly SsdShape _shape;
    private readonly Device _device;
    private readonly CudaSsdShape _sizes;
    private readonly SsdTiles _tiles;
    private readonly CudaHeads _x;
    private readonly CudaHeads _b;
    private readonly CudaHeads _c;
    private readonly CudaHeads _upstream;
    private readonly Tensor _a;
    private readonly Tensor? _d;
    private readonly Tensor _decays;

    /// <param name="shape">Sizes.</param>
    /// <param name="tensors">Inputs.</param>
    /// <param name="dy">The result's gradient, in the backward pass; null where there is none.</param>
    public SsdKernels(SsdShape shape, SsdTensors tensors, Tensor? dy)
    {
        (_shape, _device) = (shape, tensors.X.Device);
        _sizes = CudaSsdShape.Of(shape, _device);
        (Tensor x, Tensor b, Tensor c) = (RowLayout.Of(tensors.X), RowLayout.Of(tensors.B), RowLayout.Of(tensors.C));
        Tensor? upstream = dy is null ? null : RowLayout.Of(dy);
        _tiles = SsdTiles.For(shape, upstream is null ? [x] : [x, upstream], [b, c]);
        (_x, _b, _c) = (CudaHeads.Of(x), CudaHeads.Of(b), CudaHeads.Of(c));
        _upstream = CudaHeads.Of(upstream);
        (_a, _d) = (tensors.A.Contiguous(), tensors.D?.Contiguous());
        _decays = Decays(tensors.Dt);
    }

    /// <summary><c>c_i . b_j</c>, <c>[chunks, G, 64, 64]</c>.</summary>
    public Tensor Scores()
    {
        Tensor scores = Float([_shape.Chunks, _shape.Groups, StateSpaceDuality.ChunkTokens, StateSpaceDuality.ChunkTokens]);
        if (Grid(_shape.Chunks * _shape.Groups, 2 * _tiles.SquareBytes) is { } grid)
        {
            ScoresKernel[_device, _tiles].Launch(
                grid, KernelArgument.Of(in _b), KernelArgument.Of(in _c), scores, KernelArgument.Of(in _sizes));
        }

        return scores;
    }

    /// <summary>The states before chunks, <c>[chunks, H, N, P]</c>, rows filled up with zeros.</summary>
    public Tensor States(Tensor? initial, Tensor? final)
    {
        Tensor states = Between();
        LaunchStates(new(_b, _x, initial?.Contiguous(), final, states), default, directions: 1);
        return states;
    }

    /// <summary>The states before chunks and the gradients of those behind.</summary>
    public (Tensor States, Tensor Gradients) StatesAndGradients(Tensor? initial, Tensor? dFinal, Tensor dInitial)
    {
        (Tensor states, Tensor gradients) = (Between(), Between());
        LaunchStates(
            new(_b, _x, initial?.Contiguous(), to: null, states),
            new(_c, _upstream, dFinal?.Contiguous(), dInitial, gradients),
            directions: 2);
        return (states, gradients);
    }

    public void Output(Tensor states, Tensor scores, Tensor y)
    {
        var result = CudaHeads.Of(y);
        if (Grid(_shape.Chunks * _shape.Heads * _tiles.HeadPieces(_shape), _tiles.SquareBytes + _tiles.ColumnBytes) is { } grid)
        {
            OutputKernel[_device, _tiles].Launch(
                grid,
                KernelArgument.Of(in _x),
                _decays,
                KernelArgument.Of(in _c),
                _d,
                states,
                scores,
                KernelArgument.Of(in result),
                KernelArgument.Of(in _sizes));
        }
    }

    public void TokenGradients(Tensor stateGradients, Tensor scores, CudaSsdTokenGradients gradients)
    {
        int bytes = (2 * _tiles.SquareBytes) + (3 * _tiles.ColumnBytes);
        if (Grid(_shape.Chunks * _shape.Groups * SsdTiles.Parts(_shape), bytes) is { } grid)
        {
            TokensKernel[_device, _tiles].Launch(
                grid,
                KernelArgument.Of(in _x),
                _decays,
                _a,
                KernelArgument.Of(in _b),
                _d,
                KernelArgument.Of(in _upstream),
                stateGradients,
                scores,
                KernelArgument.Of(in gradients),
                KernelArgument.Of(in _sizes));
        }
    }

    public void GroupGradients(Tensor states, Tensor stateGradients, Tensor scoreGradients, CudaSsdGroupGradients gradients)
    {
        int bytes = _tiles.SquareBytes + Math.Max(2 * 4 * _tiles.ColumnBytes, 2 * _tiles.SquareBytes);
        if (Grid(_shape.Chunks * _shape.Groups * SsdTiles.Parts(_shape) * SsdTiles.StatePieces(_shape), bytes) is { } grid)
        {
            GroupsKernel[_device, _tiles].Launch(
                grid,
                KernelArgument.Of(in _x),
                _decays,
                _a,
                KernelArgument.Of(in _b),
                KernelArgument.Of(in _c),
                KernelArgument.Of(in _upstream),
                states,
                stateGradients,
                scoreGradients,
                KernelArgument.Of(in gradients),
                KernelArgument.Of(in _sizes));
        }
    }

    private static CudaGrid? Grid(long blocks, int sharedBytes) =>
        blocks == 0 ? null : new CudaGrid(blocks, SsdTiles.Threads, sharedBytes);

    private Tensor Decays(Tensor dt)
    {
        const int Values = 6;
        Tensor decays = Float([_shape.Chunks, _shape.Heads, Values, StateSpaceDuality.ChunkTokens]);
        if (_shape.Chunks * _shape.Heads > 0)
        {
            var steps = CudaHeads.Of(dt);
            DecaysKernel[_device, _tiles].Launch(
                new CudaGrid(_shape.Chunks * _shape.Heads, StateSpaceDuality.ChunkTokens),
                KernelArgument.Of(in steps),
                _a,
                decays,
                KernelArgument.Of(in _sizes));
        }

        return decays;
    }

    private Tensor Between()
    {
        long width = (_shape.HeadSize + RowMultiple - 1) / RowMultiple * RowMultiple;
        return Tensor.Empty([_shape.Chunks, _shape.Heads, _shape.StateSize, width], _tiles.Type, _device);
    }

    private void LaunchStates(CudaSsdChain forward, CudaSsdChain backward, int directions)
    {
        // Sequences are long and may be few.
        SsdTiles tiles = _tiles.Narrowed(_shape, _device.Context.Multiprocessors / directions);
        if (tiles.StateBlocks(_shape) is > 0 and long blocks)
        {
            StatesKernel[_device, tiles].Launch(
                new CudaGrid((blocks, directions, 1), SsdTiles.Threads, (2 * tiles.SquareBytes) + tiles.ColumnBytes),
                KernelArgument.Of(in forward),
                KernelArgument.Of(in backward),
                _decays,
                KernelArgument.Of(in _sizes));
        }
    }

    private Tensor Float(Shape dimensions) => Tensor.Empty(dimensions, DType.Float32, _device);
}
