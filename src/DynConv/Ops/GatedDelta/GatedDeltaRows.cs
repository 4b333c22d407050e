namespace DynConv.Ops;

/// <summary>
/// The rows of a <c>[B, T, H, C]</c> tensor, or the numbers of a <c>[B, T, H]</c> tensor, of any strides, by token (counted through
/// all batch entries) and head.
/// </summary>
internal readonly unsafe struct GatedDeltaRows
{
    private readonly float* _first;
    private readonly long _batch;
    private readonly long _time;
    private readonly long _head;
    private readonly long _tokens;

    public GatedDeltaRows(Tensor tensor)
    {
        _first = tensor.Float();
        (_batch, _time, _head) = (tensor.Strides[0], tensor.Strides[1], tensor.Strides[2]);
        _tokens = tensor.Shape[1];
        Stride = tensor.Rank > 3 ? tensor.Strides[3] : 1;
    }

    /// <summary>Whether there is no tensor.</summary>
    public bool IsNone => _first is null;

    /// <summary>Elements from one of a row to the next.</summary>
    public long Stride { get; }

    public float* At(long token, long head)
    {
        (long batch, long time) = Math.DivRem(token, _tokens);
        return _first + (batch * _batch) + (time * _time) + (head * _head);
    }
}

/// <summary>The <c>[K, V]</c> states of a <c>[N, Hv, K, V]</c> tensor, whose rows may have any strides.</summary>
internal readonly unsafe struct StateRows
{
    private readonly float* _first;
    private readonly long _outer;
    private readonly long _head;
    private readonly long _row;
    private readonly long _column;

    private StateRows(Tensor tensor)
    {
        _first = tensor.Float();
        (_outer, _head, _row, _column) = (tensor.Strides[0], tensor.Strides[1], tensor.Strides[2], tensor.Strides[3]);
    }

    public static StateRows Of(Tensor? tensor) => tensor is null ? default : new(tensor);

    /// <summary>Whether there is no tensor.</summary>
    public bool IsNone => _first is null;

    /// <summary>The first element of a state whose elements lie one after the other.</summary>
    public float* Dense(long place, long head) => _first + (place * _outer) + (head * _head);

    /// <summary>Copies a state to dense memory; zeros where there is no tensor.</summary>
    public void Read(long place, long head, float* to, long rows, long columns)
    {
        if (IsNone)
        {
            new Span<float>(to, checked((int)(rows * columns))).Clear();
            return;
        }

        for (long i = 0; i < rows; i++)
        {
            float* from = Dense(place, head) + (i * _row);
            for (long j = 0; j < columns; j++)
            {
                to[(i * columns) + j] = from[j * _column];
            }
        }
    }
}

/// <summary>The inputs of a call as the CPU reads them.</summary>
internal readonly struct GatedDeltaInputs(GatedDeltaTensors inputs)
{
    public GatedDeltaRows Q { get; } = new(inputs.Q);

    public GatedDeltaRows K { get; } = new(inputs.K);

    public GatedDeltaRows V { get; } = new(inputs.V);

    public GatedDeltaRows G { get; } = new(inputs.G);

    public GatedDeltaRows Beta { get; } = new(inputs.Beta);
}

/// <summary>Where the gradient of an input goes; nowhere if nobody wants it.</summary>
internal readonly unsafe struct GatedDeltaTarget
{
    private readonly GatedDeltaRows _rows;
    private readonly StateRows _states;

    public GatedDeltaTarget(GradientRows gradient)
    {
        if (gradient.Tensor is { } tensor)
        {
            _rows = new GatedDeltaRows(tensor);
            _states = tensor.Rank == 4 ? StateRows.Of(tensor) : default;
            Accumulate = gradient.Accumulate;
        }
    }

    /// <summary>Whether to add to the values there.</summary>
    public bool Accumulate { get; }

    public bool IsWanted => !_rows.IsNone;

    public float* At(long token, long head) => _rows.At(token, head);

    /// <summary>A state's gradient, whose elements lie one after the other.</summary>
    public float* State(long sequence, long head) => _states.Dense(sequence, head);
}
