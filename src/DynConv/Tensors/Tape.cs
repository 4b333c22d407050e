namespace DynConv;

/// <summary>
/// Records the ops of a forward pass so that <see cref="Backward(Tensor, Tensor?)"/> can run their gradient rules in reverse:
/// <c>using var tape = new Tape();</c>. While no tape is open, ops record nothing.
/// </summary>
/// <remarks>
/// A tape belongs to the thread that opened it and serves one backward pass. It holds what the rules need and gives
/// each piece back as soon as its rule has run, whatever scope the piece was made in. What it holds are the tensors
/// themselves: one that is overwritten before the pass makes the gradients those of the new values. What was computed under a
/// tape counts as a constant once that tape is over.
/// </remarks>
public sealed class Tape : IDisposable
{
    [ThreadStatic]
    private static Tape? _current;

    private readonly Tape? _outer;
    private readonly int _thread = Environment.CurrentManagedThreadId;
    private readonly List<TapeNode> _nodes = [];
    private bool _disposed;
    private bool _hasRun;

    /// <summary>Starts to record the calling thread's ops.</summary>
    public Tape()
    {
        _outer = Open(_current);
        _current = this;
    }

    /// <summary>Whether ops with these inputs are being recorded: a tape is open and a gradient flows through one.</summary>
    /// <param name="inputs">Inputs of an op.</param>
    public static bool IsRecording(params ReadOnlySpan<Tensor?> inputs)
    {
        if ((_current = Open(_current)) is null)
        {
            return false;
        }

        foreach (Tensor? input in inputs)
        {
            if (input is { RequiresGradient: true })
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Ends an op with one result: every op calls this last.</summary>
    /// <param name="op">The op's name, as in <c>rms_norm</c>.</param>
    /// <param name="output">Its result.</param>
    /// <param name="inputs">Its inputs; the rule speaks of them by their place here.</param>
    /// <param name="saved">What the rule needs again; retained until the rule has run.</param>
    /// <param name="rule">Turns the gradient of the result into those of the inputs.</param>
    /// <returns>The result.</returns>
    public static Tensor Record(
        string op, Tensor output, ReadOnlySpan<Tensor?> inputs, ReadOnlySpan<Tensor?> saved, Action<BackwardContext> rule)
    {
        ArgumentNullException.ThrowIfNull(op);
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(rule);
        Record(op, [output], inputs, saved, rule);
        return output;
    }

    /// <summary>Ends an op with any number of results.</summary>
    /// <param name="op">The op's name, as in <c>rms_norm</c>.</param>
    /// <param name="outputs">Its results.</param>
    /// <param name="inputs">Its inputs; the rule speaks of them by their place here.</param>
    /// <param name="saved">What the rule needs again; retained until the rule has run.</param>
    /// <param name="rule">Turns the gradients of the results into those of the inputs.</param>
    public static void Record(
        string op,
        ReadOnlySpan<Tensor> outputs,
        ReadOnlySpan<Tensor?> inputs,
        ReadOnlySpan<Tensor?> saved,
        Action<BackwardContext> rule)
    {
        ArgumentNullException.ThrowIfNull(op);
        ArgumentNullException.ThrowIfNull(rule);
        BFloat16Rounding.Values(outputs);
        FiniteCheck.Values(op, outputs);
        if (!IsRecording(inputs))
        {
            return;
        }

        var slots = new GradientSlot[outputs.Length];
        for (int i = 0; i < outputs.Length; i++)
        {
            slots[i] = new GradientSlot(outputs[i], isLeaf: false);
            outputs[i].Track(slots[i]);
        }

        _current!._nodes.Add(new TapeNode(op, FiniteCheck.Place, slots, inputs, saved, rule));
    }

    /// <summary>Runs a stretch of code without recording: <c>using (Tape.Pause()) { … }</c>.</summary>
    public static IDisposable Pause() => new PauseGuard();

    /// <summary>
    /// Adds the gradient of <paramref name="output"/> to every leaf that it was computed from, and ends the recording.
    /// </summary>
    /// <param name="output">A result of recorded ops.</param>
    /// <param name="gradient">
    /// Gradient of what is minimised with respect to <paramref name="output"/>, of the same shape and any strides; 1
    /// if not given, and then <paramref name="output"/> has to have a single element. The tape may go on using its buffer: it is
    /// not to be written to again.
    /// </param>
    public void Backward(Tensor output, Tensor? gradient = null)
    {
        ArgumentNullException.ThrowIfNull(output);
        using var scope = new TensorScope();
        if (gradient is null)
        {
            if (output.Count != 1)
            {
                throw new TensorException(
                    "backward", $"a result of shape {output.Shape} needs a gradient to start from.", output);
            }

            gradient = Tensor.From([1f], [1], output.Device).Reshape(output.Shape.Dimensions).To(output.DType);
        }

        Backward([(output, gradient)]);
    }

    /// <summary>The same for several results at once.</summary>
    /// <param name="outputs">Results of recorded ops, each with its gradient.</param>
    /// <exception cref="InvalidOperationException">
    /// A backward pass has run, and nothing was recorded since; or another thread opened the tape.
    /// </exception>
    public void Backward(params ReadOnlySpan<(Tensor Output, Tensor Gradient)> outputs)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (IsElsewhere)
        {
            throw new InvalidOperationException("Tape.Backward was called in another thread than the tape was opened in: run it before an await.");
        }

        if (_hasRun && _nodes.Count == 0)
        {
            throw new InvalidOperationException("A recording serves one backward pass, and nothing has been recorded since it ran: give all results to one call, or compute them again.");
        }

        using var scope = new TensorScope();
        using IDisposable pause = Pause();
        foreach ((Tensor output, Tensor gradient) in outputs)
        {
            ArgumentNullException.ThrowIfNull(output, nameof(outputs));
            ArgumentNullException.ThrowIfNull(gradient, nameof(outputs));
            if (!output.RequiresGradient)
            {
                throw new TensorException("backward", "no recorded op led to this result.", output);
            }

            if (gradient.Shape != output.Shape || gradient.DType != output.DType)
            {
                throw new TensorException(
                    "backward", $"a gradient of {gradient.DType.Name()} {gradient.Shape} does not fit a result of {output.DType.Name()} {output.Shape}.", output, gradient);
            }

            output.Slot!.Add(output, gradient);
        }

        _hasRun = true;
        for (int i = _nodes.Count - 1; i >= 0; i--)
        {
            _nodes[i].Backward();
            _nodes.RemoveAt(i);
        }
    }

    /// <summary>Ends the recording and gives back what it held.</summary>
    /// <exception cref="InvalidOperationException">Another thread opened the tape. What it held is given back all the same.</exception>
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        if (ReferenceEquals(_current, this))
        {
            _current = Open(_outer);
        }

        foreach (TapeNode node in _nodes)
        {
            node.Release();
        }

        _nodes.Clear();
        if (IsElsewhere)
        {
            throw new InvalidOperationException("A Tape was disposed in another thread than it was opened in, and what was computed here since then is not recorded: close tapes before an await.");
        }
    }

    private bool IsElsewhere => _thread != Environment.CurrentManagedThreadId;

    // A tape that another thread has disposed, or that ended while recording was paused, takes nothing in any more.
    private static Tape? Open(Tape? tape)
    {
        while (tape is { _disposed: true })
        {
            tape = tape._outer;
        }

        return tape;
    }

    private sealed class PauseGuard : IDisposable
    {
        private readonly Tape? _paused = _current;
        private readonly int _thread = Environment.CurrentManagedThreadId;
        private bool _disposed;

        public PauseGuard() => _current = null;

        public void Dispose()
        {
            if (_disposed)
            {
                return;
            }

            _disposed = true;
            if (_thread != Environment.CurrentManagedThreadId)
            {
                throw new InvalidOperationException("A pause of a Tape was ended in another thread than it began in: end it before an await.");
            }

            _current = Open(_paused);
        }
    }
}
