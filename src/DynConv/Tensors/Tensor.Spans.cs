using System.Numerics.Tensors;

namespace DynConv;

/// <remarks>
/// Spans show elements where they are: good until the tensor is disposed, and on the CPU alone. What is written through one
/// has to be written before an op reads the tensor.
/// </remarks>
public sealed partial class Tensor
{
    /// <summary>A copy of <paramref name="values"/> on a device.</summary>
    /// <typeparam name="T"><see cref="float"/>, <see cref="BFloat16"/> or <see cref="int"/>.</typeparam>
    /// <param name="values">Of any shape and strides.</param>
    /// <param name="device">Where; the CPU if not given.</param>
    public static Tensor From<T>(in ReadOnlyTensorSpan<T> values, Device? device = null)
        where T : unmanaged
    {
        var flat = new T[checked((int)values.FlattenedLength)];
        values.FlattenTo(flat);
        long[] dimensions = new long[values.Rank];
        for (int i = 0; i < dimensions.Length; i++)
        {
            dimensions[i] = values.Lengths[i];
        }

        return From(flat, Shape.Create(dimensions), device);
    }

    /// <summary>The elements of a contiguous tensor on the CPU, the last index fastest: the memory itself, not a copy.</summary>
    /// <typeparam name="T">The element type's C# counterpart.</typeparam>
    /// <exception cref="TensorException">The tensor lies on a GPU, is not contiguous, or holds another type.</exception>
    public Span<T> AsSpan<T>()
        where T : unmanaged
    {
        CheckVisible<T>();
        if (!IsContiguous)
        {
            throw new TensorException("span", $"a tensor with strides [{string.Join(", ", _strides)}] is not contiguous; AsTensorSpan shows it as it is.", this);
        }

        Storage.MarkChanged();
        return HostSpan<T>();
    }

    /// <summary>
    /// The elements of a tensor on the CPU, of any strides: the memory itself, not a copy. Spans have no scalars: one shows as
    /// <c>[1]</c>.
    /// </summary>
    /// <typeparam name="T">The element type's C# counterpart.</typeparam>
    /// <exception cref="TensorException">The tensor lies on a GPU, or holds another type.</exception>
    public unsafe TensorSpan<T> AsTensorSpan<T>()
        where T : unmanaged
    {
        CheckVisible<T>();
        Storage.MarkChanged();
        nint[] lengths = new nint[Math.Max(1, Rank)];
        nint[] strides = new nint[lengths.Length];
        lengths[0] = 1;
        long last = 0;
        for (int i = 0; i < Rank; i++)
        {
            lengths[i] = (nint)Shape[i];

            // A dimension of one element, or of a span that has none, is never walked, and the span wants its stride to be 0.
            strides[i] = Count == 0 || Shape[i] == 1 ? 0 : (nint)_strides[i];
            last += Math.Max(0, Shape[i] - 1) * _strides[i];
        }

        return new TensorSpan<T>((T*)Bytes(), Count == 0 ? 0 : (nint)last + 1, lengths, strides);
    }

    private void CheckVisible<T>()
        where T : unmanaged
    {
        CheckElementType<T>();
        if (Device.IsCuda)
        {
            throw new TensorException("span", $"the elements lie on {Device}, and a span shows those on the CPU; To(Device.Cpu) copies them.", this);
        }
    }
}
