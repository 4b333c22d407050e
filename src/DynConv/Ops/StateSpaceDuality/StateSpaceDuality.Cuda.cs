namespace DynConv.Ops;

public static partial class StateSpaceDuality
{
    private static void ForwardCuda(SsdShape shape, SsdTensors tensors, Tensor y, Tensor? final)
    {
        var kernels = new SsdKernels(shape, tensors, dy: null);
        Tensor scores = kernels.Scores();
        Tensor states = kernels.States(tensors.Initial, final);
        kernels.Output(states, scores, y);
    }

    private static void BackwardCuda(SsdShape shape, SsdTensors tensors, Tensor? dy, Tensor? dFinal, BackwardContext g)
    {
        Device device = tensors.X.Device;
        var kernels = new SsdKernels(shape, tensors, dy);
        (long tokens, long heads, long pieces, long parts) =
            (shape.Sequences.Tokens, shape.Heads, SsdTiles.StatePieces(shape), SsdTiles.Parts(shape));
        Tensor dx = Tensor.Empty(tensors.X.Shape, tensors.X.DType, device);
        Tensor dInitial = Float(shape.States);
        Tensor db = Float([parts, tokens, shape.Groups * shape.StateSize]);
        Tensor dc = Float(db.Shape);
        Tensor dd = Float([shape.Chunks, heads]);

        // The parts of one kernel and then, for each piece of the state's rows, those of the other.
        Tensor ddt = Float([1 + pieces, tokens, heads]);
        Tensor da = Float([1 + pieces, shape.Chunks, heads]);
        Tensor dScores = Float([parts, shape.Chunks, shape.Groups, ChunkTokens, ChunkTokens]);
        Tensor scores = kernels.Scores();
        (Tensor states, Tensor stateGradients) = kernels.StatesAndGradients(tensors.Initial, dFinal, dInitial);
        kernels.TokenGradients(
            stateGradients, scores, new CudaSsdTokenGradients(dx, ddt.Slice(0, 0, 1), da.Slice(0, 0, 1), dd, dScores));
        kernels.GroupGradients(
            states, stateGradients, dScores, new CudaSsdGroupGradients(db, dc, ddt.Slice(0, 1, pieces), da.Slice(0, 1, pieces)));
        Tensor sumOfDt = Tensor.Empty(tensors.Dt.Shape, DType.Float32, device);
        Tensor sumOfB = Tensor.Empty(tensors.B.Shape, tensors.B.DType, device);
        Tensor sumOfC = Tensor.Empty(tensors.C.Shape, tensors.C.DType, device);
        PartialSums.StoreRows(
            device,
            new(ddt, sumOfDt.Reshape(tokens, heads), accumulate: false),
            new(db, sumOfB.Reshape(tokens, db.Shape[2]), accumulate: false),
            new(dc, sumOfC.Reshape(tokens, dc.Shape[2]), accumulate: false));
        Add(XInput, dx);
        Add(DtInput, sumOfDt);
        AddSum(AInput, da.Reshape((1 + pieces) * shape.Chunks, heads));
        Add(BInput, sumOfB);
        Add(CInput, sumOfC);
        AddSum(DInput, dd);
        Add(StateInput, dInitial);

        Tensor Float(Shape dimensions) => Tensor.Empty(dimensions, DType.Float32, device);

        void Add(int input, Tensor gradient)
        {
            if (g.Needs(input))
            {
                g.Add(input, gradient);
            }
        }

        void AddSum(int input, Tensor sums)
        {
            if (g.Needs(input))
            {
                g.Add(input, PartialSums.Sum(sums));
            }
        }
    }
}
