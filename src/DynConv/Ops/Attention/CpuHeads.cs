namespace DynConv.Ops;

/// <summary>
/// A <c>[B, T, H, K]</c> tensor as the kernels want it: the channels of a head side by side and a multiple of
/// <see cref="Multiple"/> many. Other tensors are copied, with zeros behind the last channel, which change no product.
/// </summary>
internal readonly unsafe struct CpuHeads
{
    /// <summary>What the channels are a multiple of: the widest vector.</summary>
    public const long Multiple = 16;

    private readonly float* _start;
    private readonly long _batch;
    private readonly long _time;
    private readonly long _head;

    private CpuHeads(Tensor tensor)
    {
        Tensor = tensor;
        _start = tensor.Float();
        _batch = tensor.Strides[0];
        _time = tensor.Strides[1];
        _head = tensor.Strides[2];
    }

    /// <summary>The tensor that the pointers point into.</summary>
    public Tensor Tensor { get; }

    /// <summary>Distance of a head's neighbours in time.</summary>
    public long TimeStride => _time;

    /// <summary>Channels, those added included.</summary>
    public long Channels => Tensor.Shape[3];

    /// <summary>A tensor to read.</summary>
    public static CpuHeads Of(Tensor tensor)
    {
        if (Fits(tensor))
        {
            return new CpuHeads(tensor);
        }

        Tensor padded = Tensor.Zeros(PaddedShape(tensor.Shape), tensor.DType, tensor.Device);
        StridedCopy.Copy(tensor, padded.Slice(3, 0, tensor.Shape[3]));
        return new CpuHeads(padded);
    }

    /// <summary>A place to write what <see cref="CopyTo"/> then brings to <paramref name="tensor"/>.</summary>
    public static CpuHeads For(Tensor tensor) =>
        new(Fits(tensor) ? tensor : Tensor.Empty(PaddedShape(tensor.Shape), tensor.DType, tensor.Device));

    /// <summary>The channels of one head at one time.</summary>
    public float* At(long batch, long time, long head) => _start + (batch * _batch) + (time * _time) + (head * _head);

    /// <summary>Brings what was written to the tensor that <see cref="For"/> stood in for.</summary>
    public void CopyTo(Tensor tensor, bool accumulate)
    {
        if (ReferenceEquals(tensor, Tensor))
        {
            return;
        }

        Tensor written = Tensor.Slice(3, 0, tensor.Shape[3]);
        if (accumulate)
        {
            StridedCopy.Add(written, tensor);
        }
        else
        {
            StridedCopy.Copy(written, tensor);
        }
    }

    private static bool Fits(Tensor tensor) => tensor.Strides[3] == 1 && tensor.Shape[3] % Multiple == 0;

    private static Shape PaddedShape(Shape shape) => shape.With(3, (shape[3] + Multiple - 1) / Multiple * Multiple);
}
