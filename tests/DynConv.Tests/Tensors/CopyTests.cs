namespace DynConv.Tests.Tensors;

/// <summary>Copies, conversions and zeros of views, on every device.</summary>
[Trait("Uses", "compiler")]
public sealed class CopyTests
{
    public static TheoryData<string> Devices => [.. TestDevices.Float32Names];

    [Theory]
    [MemberData(nameof(Devices), DisableDiscoveryEnumeration = true)]
    public void Views_of_many_dimensions_are_copied_element_by_element(string device)
    {
        using var scope = new TensorScope();
        long[] dimensions = [2, 3, 4, 2, 3, 8];
        Tensor x = Tensor.From(Enumerable.Range(0, 1152).ToArray(), Shape.Create(dimensions), TestDevices.Get(device));
        Tensor view = x.Transpose(0, 4).Transpose(1, 3).Slice(2, 1, 2).Slice(5, 0, 4);
        int[] wanted =
        [
            .. from a in Enumerable.Range(0, 3)
               from b in Enumerable.Range(0, 2)
               from c in Enumerable.Range(1, 2)
               from d in Enumerable.Range(0, 3)
               from e in Enumerable.Range(0, 2)
               from f in Enumerable.Range(0, 4)
               select (((((((((e * 3) + d) * 4) + c) * 2) + b) * 3) + a) * 8) + f,
        ];
        Assert.Equal(wanted, view.ToArray<int>());
    }

    [Theory]
    [MemberData(nameof(Devices), DisableDiscoveryEnumeration = true)]
    public void Slices_at_any_offset_and_of_any_length_are_copied(string device)
    {
        using var scope = new TensorScope();
        float[] values = [.. Enumerable.Range(0, 3 * 48).Select(i => i * 0.5f)];
        foreach (DType type in new[] { DType.Float32, DType.BFloat16 })
        {
            Tensor x = Tensor.From(values, [3, 48], TestDevices.Get(device)).To(type);
            foreach ((int start, int length) in new[] { (0, 48), (8, 16), (8, 19), (1, 16), (0, 3), (47, 1) })
            {
                IEnumerable<float> wanted = Enumerable.Range(0, 3).SelectMany(row => values.Skip((row * 48) + start).Take(length));
                Assert.Equal(wanted, x.Slice(1, start, length).Contiguous().To(DType.Float32).ToArray<float>());
            }
        }
    }

    // Rows of which each begins elsewhere, in both tensors: 16 bytes at a time on a card, but for their ends. All values are exact.
    [Theory]
    [MemberData(nameof(Devices), DisableDiscoveryEnumeration = true)]
    public void Rows_that_begin_anywhere_are_copied_and_added(string device)
    {
        const int Rows = 9;
        const int Wide = 45;
        foreach (DType type in new[] { DType.Float32, DType.BFloat16 }.Where(type => device != "cpu" || type == DType.Float32))
        {
            foreach ((int from, int to, int length) in new[] { (0, 1, 44), (3, 0, 17), (2, 7, 8), (5, 5, 40), (1, 4, 30) })
            {
                using var scope = new TensorScope();
                float[] values = [.. Enumerable.Range(1, Rows * Wide).Select(i => i % 120f)];
                float[] before = [.. values.Select(value => -value / 2)];
                Tensor source = Tensor.From(values, [Rows, Wide], TestDevices.Get(device)).To(type).Slice(1, from, length);
                Tensor copied = Tensor.From(before, [Rows, Wide], TestDevices.Get(device)).To(type);
                Tensor added = copied.Clone();
                StridedCopy.Copy(source, copied.Slice(1, to, length));
                StridedCopy.Add(source, added.Slice(1, to, length));
                Assert.Equal(Wanted(adds: false), copied.To(DType.Float32).ToArray<float>());
                Assert.Equal(Wanted(adds: true), added.To(DType.Float32).ToArray<float>());
                if (source.Device.IsCuda)
                {
                    Tensor filled = Tensor.Empty([Rows, Wide + 3], type, source.Device);
                    ShiftedCopy.Fill(source, filled);
                    Assert.Equal(source.To(DType.Float32).ToArray<float>(), filled.Slice(1, 0, length).To(DType.Float32).ToArray<float>());
                    Assert.All(filled.Slice(1, length, Wide + 3 - length).To(DType.Float32).ToArray<float>(), value => Assert.Equal(0, value));
                }

                IEnumerable<float> Wanted(bool adds) => before.Select((value, i) => i % Wide - to is >= 0 and int column && column < length
                    ? values[i - to + from] + (adds ? value : 0)
                    : value);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Devices), DisableDiscoveryEnumeration = true)]
    public void Conversions_round_to_nearest_even(string device)
    {
        using var scope = new TensorScope();
        float[] values = [1f, 1.001953125f, 1.00390625f, 1.01171875f, -3.4e38f, float.NegativeInfinity, float.NaN, 1e-40f, 0f];
        Tensor x = Tensor.From(values, [9], TestDevices.Get(device));
        float[] wanted = [.. values.Select(value => (float)(BFloat16)value)];
        Assert.Equal([1f, 1f, 1f, 1.015625f], wanted[..4]);
        Assert.Equal(wanted, x.To(DType.BFloat16).To(DType.Float32).ToArray<float>());
        Tensor transposed = Tensor.From(values, [3, 3], TestDevices.Get(device)).Transpose(0, 1);
        Assert.Equal(wanted[1], transposed.To(DType.BFloat16).To(DType.Float32).ToArray<float>()[3]);
    }

    [Theory]
    [MemberData(nameof(Devices), DisableDiscoveryEnumeration = true)]
    public void Clearing_a_slice_leaves_the_rest_alone(string device)
    {
        using var scope = new TensorScope();
        Tensor x = Tensor.From(Enumerable.Range(1, 30).ToArray(), [3, 10], TestDevices.Get(device));
        x.Slice(1, 2, 5).Clear();
        Assert.Equal(
            Enumerable.Range(1, 30).Select(i => (i - 1) % 10 is >= 2 and < 7 ? 0 : i), x.ToArray<int>());
    }

    [Theory]
    [MemberData(nameof(Devices), DisableDiscoveryEnumeration = true)]
    public void The_finite_check_finds_one_bad_element(string device)
    {
        using var scope = new TensorScope();
        using IDisposable check = FiniteCheck.Start();
        float[] values = new float[300];
        Tensor Make() => Tensor.From(values, [300], TestDevices.Get(device));
        DynConv.Ops.Elementwise.Scale(Make(), 2f);
        values[277] = 3e38f;
        Assert.Throws<NonFiniteException>(() => DynConv.Ops.Elementwise.Scale(Make(), 2f));
    }

    [Fact]
    public void Whole_numbers_do_not_become_floats()
    {
        using var scope = new TensorScope();
        Assert.Throws<TensorException>(() => Tensor.Zeros([2], DType.Int32).To(DType.Float32));
    }
}
