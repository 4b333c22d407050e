using DynConv.Modules;

namespace DynConv.Diagnostics;

/// <summary>
/// Fills tensors with standard normal numbers from a block that repeats: its odd length keeps rows from being equal,
/// and drawing each number anew would take longer than the measurement.
/// </summary>
internal sealed class NormalValues
{
    private const int Length = (1 << 20) - 3;

    private readonly float[] _floats;
    private readonly BFloat16[] _halves;

    public NormalValues()
    {
        var random = new RandomSource(1);
        _floats = new float[Length];
        for (int i = 0; i < Length; i++)
        {
            _floats[i] = (float)random.NextNormal();
        }

        _halves = Array.ConvertAll(_floats, value => (BFloat16)value);
    }

    /// <summary>A tensor of them; of undefined numbers while kernels are only being collected.</summary>
    /// <param name="shape">Dimensions.</param>
    /// <param name="dtype">float32 or bfloat16.</param>
    /// <param name="device">Where.</param>
    /// <param name="map">What becomes of each; itself if null.</param>
    public Tensor Tensor(Shape shape, DType dtype, Device device, Func<float, float>? map = null)
    {
        Tensor tensor = DynConv.Tensor.Empty(shape, dtype, device);
        if (device.IsPreparing)
        {
            return tensor;
        }

        if (dtype == DType.BFloat16)
        {
            Fill(tensor, map is null ? _halves : Array.ConvertAll(_floats, value => (BFloat16)map(value)));
        }
        else
        {
            Fill(tensor, map is null ? _floats : Array.ConvertAll(_floats, value => map(value)));
        }

        return tensor;
    }

    /// <summary>A tensor of whole numbers from 0 to below a limit, all about as often.</summary>
    /// <param name="shape">Dimensions.</param>
    /// <param name="limit">Above all of them.</param>
    /// <param name="device">Where.</param>
    public static Tensor Integers(Shape shape, long limit, Device device)
    {
        // Steps by a number that has no factor in common with small ones do not repeat soon.
        const long Step = 1_000_003;
        int[] values = new int[shape.Count];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = (int)(i * Step % limit);
        }

        return DynConv.Tensor.From(values, shape, device);
    }

    private static void Fill<T>(Tensor tensor, T[] block)
        where T : unmanaged
    {
        var values = new T[tensor.Count];
        for (int start = 0; start < values.Length; start += block.Length)
        {
            block.AsSpan(0, Math.Min(block.Length, values.Length - start)).CopyTo(values.AsSpan(start));
        }

        tensor.CopyFrom<T>(values);
    }
}
