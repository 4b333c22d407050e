using System.Collections.Concurrent;
using DynConv.Ops;

namespace DynConv.Tests.Ops;

public sealed class RopeTests : OpTests<RopeTests>, IOpCases
{
    private const double Theta = 10000;

    private static readonly ConcurrentDictionary<(Device Device, int HeadDim), RopeTable> Tables = new();

    public static IEnumerable<OpCase> Cases =>
        from item in new (Shape Shape, long Position)[]
        {
            ([1, 1, 1, 2], 0), ([2, 5, 3, 8], 0), ([1, 40, 2, 16], 7), ([2, 3, 2, 34], 1000), ([2, 70, 6, 64], 0),
            ([0, 3, 2, 8], 0),
        }
        select new OpCase(
            $"rope {item.Shape} from {item.Position}",
            [new("x", item.Shape)],
            x => [Rope.Apply(x[0], Table((int)item.Shape[3], x[0].Device), item.Position)],
            x => [Reference(x[0], item.Shape, item.Position)]);

    [Fact]
    public void A_later_position_continues_the_sequence()
    {
        using var scope = new TensorScope();
        Tensor x = Tensor.From(Enumerable.Range(0, 2 * 9 * 3 * 16).Select(i => MathF.Sin(i)).ToArray(), [2, 9, 3, 16]);
        float[] whole = Rope.Apply(x, Table(16)).Slice(1, 4, 5).ToArray<float>();
        Assert.Equal(whole, Rope.Apply(x.Slice(1, 4, 5), Table(16), position: 4).ToArray<float>());
    }

    [Fact]
    public void A_table_grows_to_its_maximum_and_no_further()
    {
        using var scope = new TensorScope();
        using var table = new RopeTable(Theta, headDim: 2, maximumLength: 5000);
        Tensor x = Tensor.From([1f, 0f], [1, 1, 1, 2]);
        float[] y = Rope.Apply(x, table, position: 4999).ToArray<float>();
        Assert.Equal([(float)Math.Cos(4999), (float)Math.Sin(4999)], y);
        var error = Assert.Throws<TensorException>(() => Rope.Apply(x, table, position: 5000));
        Assert.Equal("rope: positions 5000..5000 lie outside the 5000 of the table.", error.Message);
    }

    [Fact]
    public void Frequencies_may_be_given()
    {
        using var scope = new TensorScope();
        using var table = new RopeTable([0.25, 0.5], maximumLength: 8);
        float[] y = Rope.Apply(Tensor.From([1f, 0f, 0f, 1f], [1, 1, 1, 4]), table, position: 2).ToArray<float>();
        Assert.Equal([(float)Math.Cos(0.5), -(float)Math.Sin(1), (float)Math.Sin(0.5), (float)Math.Cos(1)], y);
    }

    [Fact]
    public void A_table_for_other_heads_is_refused()
    {
        using var scope = new TensorScope();
        var error = Assert.Throws<TensorException>(() => Rope.Apply(Tensor.Zeros([1, 2, 3, 8]), Table(16)));
        Assert.Equal("rope: a table for heads of 16 does not fit x of shape [1, 2, 3, 8].", error.Message);
    }

    [Fact]
    public void Odd_heads_and_bad_bases_are_refused()
    {
        Assert.Equal(
            "Rotary position embedding needs an even head size, not 7.",
            Assert.Throws<DynConvException>(() => new RopeTable(Theta, 7, 10)).Message);
        Assert.Equal(
            "theta of a rotary position embedding has to be above 0, not 0.",
            Assert.Throws<DynConvException>(() => new RopeTable(0, 8, 10)).Message);
        Assert.Equal(
            "A rotary table needs frequencies and positions, not 4 and 0.",
            Assert.Throws<DynConvException>(() => new RopeTable(Theta, 8, 0)).Message);
    }

    private static RopeTable Table(int headDim, Device? device = null) =>
        Tables.GetOrAdd((device ?? Device.Cpu, headDim), key => new RopeTable(Theta, key.HeadDim, 4096, key.Device));

    private static double[] Reference(double[] x, Shape shape, long position)
    {
        (long length, long heads, long k) = (shape[1], shape[2], shape[3]);
        var y = new double[x.Length];
        for (long n = 0; n < x.Length; n++)
        {
            long i = n % k;
            long pair = i % (k / 2);
            double angle = (position + (n / k / heads % length)) * Math.Pow(Theta, -2.0 * pair / k);
            double other = i < k / 2 ? -x[n + (k / 2)] : x[n - (k / 2)];
            y[n] = (x[n] * Math.Cos(angle)) + (other * Math.Sin(angle));
        }

        return y;
    }
}
