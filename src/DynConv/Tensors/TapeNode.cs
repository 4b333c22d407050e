namespace DynConv;

/// <summary>One recorded op.</summary>
internal sealed class TapeNode
{
    private readonly GradientSlot[] _outputs;
    private readonly Tensor?[] _inputs;
    private readonly Tensor?[] _saved;
    private readonly Action<BackwardContext> _rule;

    public TapeNode(
        string op,
        string place,
        GradientSlot[] outputs,
        ReadOnlySpan<Tensor?> inputs,
        ReadOnlySpan<Tensor?> saved,
        Action<BackwardContext> rule)
    {
        Op = op;
        Place = place;
        _outputs = outputs;
        _rule = rule;
        _saved = new Tensor?[saved.Length];
        for (int i = 0; i < saved.Length; i++)
        {
            _saved[i] = saved[i]?.Alias();
        }

        // Of an input only its gradient's place is needed: the handle may be disposed long before the rule runs.
        _inputs = inputs.ToArray();
    }

    public string Op { get; }

    public string Place { get; }

    public void Backward()
    {
        if (_outputs.Any(static output => output.IsReached) && _inputs.Any(static input => input is { Slot.IsAbandoned: false }))
        {
            using var scope = new TensorScope();
            BFloat16Rounding.Gradients(_outputs);
            var context = new BackwardContext(this, _outputs, _inputs, _saved);
            _rule(context);
            FiniteCheck.Gradients(this, _inputs);
        }

        Release();
    }

    public void Release()
    {
        foreach (Tensor? saved in _saved)
        {
            saved?.Dispose();
        }

        foreach (GradientSlot output in _outputs)
        {
            output.Close();
        }
    }
}

/// <summary>What a backward rule works with.</summary>
public sealed class BackwardContext
{
    private readonly TapeNode _node;
    private readonly GradientSlot[] _outputs;
    private readonly Tensor?[] _inputs;
    private readonly Tensor?[] _saved;

    internal BackwardContext(TapeNode node, GradientSlot[] outputs, Tensor?[] inputs, Tensor?[] saved)
    {
        _node = node;
        _outputs = outputs;
        _inputs = inputs;
        _saved = saved;
    }

    /// <summary>
    /// The gradient of a result, of any strides; null if nothing depends on that result, which means zero.
    /// </summary>
    /// <param name="output">The result's place.</param>
    public Tensor? Gradient(int output) => _outputs[output].Whole();

    /// <summary>What the op saved; null if it saved null there.</summary>
    /// <param name="index">Its place.</param>
    public Tensor? SavedOrNull(int index) => _saved[index];

    /// <summary>What the op saved.</summary>
    /// <param name="index">Its place.</param>
    public Tensor Saved(int index) =>
        _saved[index] ?? throw new TensorException(_node.Op, $"saved nothing at {index}.");

    /// <summary>Whether the gradient of an input is wanted: of one that is disposed, nobody can ask for it.</summary>
    /// <param name="input">The input's place.</param>
    public bool Needs(int input) => _inputs[input] is { Slot.IsAbandoned: false };

    /// <summary>Where to write the gradient of an input that <see cref="Needs"/> says is wanted. Ask once.</summary>
    /// <param name="input">The input's place.</param>
    public GradientTarget Target(int input) => _inputs[input]!.Slot!.Target(_inputs[input]!);

    /// <summary>
    /// Whether <see cref="Add"/> would take a contribution over as the gradient, without another pass over memory: it is the first one,
    /// and the input is no view.
    /// </summary>
    /// <param name="input">The place of an input whose gradient is wanted.</param>
    /// <param name="contribution">Has the input's shape.</param>
    internal bool Adopts(int input, Tensor contribution) => _inputs[input]!.Slot!.Adopts(_inputs[input]!, contribution);

    /// <summary>Adds to the gradient of an input, if it is wanted.</summary>
    /// <param name="input">The input's place.</param>
    /// <param name="contribution">Has the input's shape; the tape may go on using its buffer.</param>
    public void Add(int input, Tensor contribution)
    {
        ArgumentNullException.ThrowIfNull(contribution);
        if (Needs(input))
        {
            _inputs[input]!.Slot!.Add(_inputs[input]!, contribution);
        }
    }
}
