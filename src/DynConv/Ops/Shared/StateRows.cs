namespace DynConv.Ops;

/// <summary>The <c>[R, C]</c> states of a <c>[N, H, R, C]</c> tensor, whose rows may have any strides.</summary>
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
