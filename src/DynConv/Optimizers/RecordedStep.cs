using DynConv.Cuda;
using DynConv.Modules;

namespace DynConv.Optimizers;

/// <summary>
/// A training step up to its update as a CUDA graph: the micro-batches and the norm of the gradient. What it is given and what it
/// gives lies at the same place in each run.
/// </summary>
internal sealed class RecordedStep : IDisposable
{
    private readonly Tensor[][] _inputs;
    private readonly Tensor[] _shares;
    private readonly List<Tensor> _results = [];
    private readonly Recording? _recording;

    /// <summary>Records a step; nothing runs yet.</summary>
    /// <param name="kind">The step's.</param>
    /// <param name="optimizer">Whose parameters it has gradients of; they are left without.</param>
    /// <param name="parts">The micro-batches.</param>
    /// <param name="inputs">Tensors like those of each run.</param>
    /// <param name="accumulate">Adds the gradient of a loss of tensors, times a share.</param>
    /// <param name="norm">The squared norm of the gradients.</param>
    /// <exception cref="DynConvException">The losses are not to be recorded.</exception>
    public RecordedStep(
        StepKind kind,
        Optimizer optimizer,
        MicroBatch[] parts,
        Tensor[][] inputs,
        Func<Func<MicroBatchLoss>, Tensor, MicroBatchLoss> accumulate,
        Func<MicroBatchLoss[], Tensor> norm)
    {
        Kind = kind;
        using var scope = new TensorScope();
        _inputs = [.. inputs.Select(tensors => tensors.Select(tensor => TensorScope.Release(Tensor.Empty(tensor.Shape, tensor.DType, tensor.Device))).ToArray())];
        _shares = [.. parts.Select(part => TensorScope.Release(Tensor.From([(float)part.Share], [], optimizer.Device)))];
        try
        {
            _recording = Recording.Of(optimizer.Device, Record);
        }
        catch
        {
            Dispose();
            throw;
        }

        void Record()
        {
            using var temporaries = new TensorScope();
            MicroBatchLoss[] losses = [.. parts.Select((part, i) => accumulate(() => part.LossOf!(_inputs[i]), _shares[i]))];
            SquaredNorm = Result(norm(losses));
            Losses = [.. losses.Select(loss => Result(loss.Reported))];
            Gradients = [.. optimizer.Parameters.Where(pair => pair.Value.Gradient is not null).Select(pair => (pair.Value, Result(pair.Value.Gradient!)))];
            optimizer.ClearGradients();
        }
    }

    /// <summary>Which steps this is.</summary>
    public StepKind Kind { get; }

    /// <summary>What the micro-batches tell as their losses.</summary>
    public Tensor[] Losses { get; private set; } = [];

    /// <summary>The squared norm of the gradients.</summary>
    public Tensor SquaredNorm { get; private set; } = null!;

    /// <summary>The gradients of the step, until the next run.</summary>
    public (Parameter Parameter, Tensor Gradient)[] Gradients { get; private set; } = [];

    /// <summary>Queues the step.</summary>
    /// <param name="inputs">Of the same shapes as those it was recorded with.</param>
    public void Run(Tensor[][] inputs)
    {
        foreach ((Tensor[] from, Tensor[] to) in inputs.Zip(_inputs))
        {
            foreach ((Tensor drawn, Tensor input) in from.Zip(to))
            {
                StridedCopy.Copy(drawn, input);
            }
        }

        _recording!.Run();
    }

    public void Dispose()
    {
        foreach (Tensor tensor in _inputs.SelectMany(static tensors => tensors).Concat(_shares).Concat(_results))
        {
            tensor.Dispose();
        }

        _recording?.Dispose();
    }

    private Tensor Result(Tensor tensor)
    {
        Tensor result = tensor.Alias();
        _results.Add(result);
        return result;
    }
}
