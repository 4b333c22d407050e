using System.Collections.Concurrent;
using System.Globalization;
using DynConv.Ops;

namespace DynConv.Tests.Ops;

public sealed class RopeTests : OpTests<RopeTests>, IOpCases
{
    private const double Theta = 10000;

    private static readonly ConcurrentDictionary<(Device Device, int HeadDim), RopeTable> Tables = new();

    public static IEnumerable<OpCase> Cases =>
    [
        .. from item in new (Shape Shape, long Position)[]
           {
               ([1, 1, 1, 2], 0), ([2, 5, 3, 8], 0), ([1, 40, 2, 16], 7), ([2, 3, 2, 34], 1000), ([2, 70, 6, 64], 0),
               ([0, 3, 2, 8], 0),
           }
           select OpCase.Of(
               $"rope {item.Shape} from {item.Position}",
               Rope.Description,
               [item.Shape],
               x => [Reference(x[0], item.Shape, (_, t) => item.Position + t)]) with
           {
               Settings = new Dictionary<string, string> { ["position"] = item.Position.ToString(CultureInfo.InvariantCulture) },
           },

        .. from item in new (Shape Shape, long[] First)[]
           {
               ([2, 1, 1, 2], [3, 0]), ([3, 5, 3, 8], [0, 1000, 7]), ([2, 7, 2, 34], [5, 5]), ([2, 33, 5, 64], [0, 1]),
               ([0, 3, 2, 8], []), ([2, 0, 2, 8], [1, 2]),
           }
           select OpCase.Of(
               $"rope {item.Shape} from [{string.Join(", ", item.First)}]",
               Rope.Description,
               [item.Shape],
               x => [Reference(x[0], item.Shape, (b, t) => item.First[b] + t)]) with
           {
               Run = x =>
               {
                   using var positions = new TokenPositions(item.First, item.Shape[1]);
                   return [Rope.Apply(x[0], Table((int)item.Shape[3], x[0].Device), positions)];
               },
           },

        .. from item in new (Shape Shape, long[] Bounds)[]
           {
               ([1, 1, 1, 2], [0, 1]), ([1, 41, 3, 16], [0, 1, 1, 18, 41]), ([1, 67, 2, 34], [0, 60, 67]), ([1, 0, 2, 8], [0]),
           }
           select OpCase.Of(
               $"rope {item.Shape} packed [{string.Join(", ", item.Bounds)}]",
               Rope.Description,
               [item.Shape],
               x => [Reference(x[0], item.Shape, (_, t) => t - item.Bounds.Last(bound => bound <= t))]) with
           {
               Run = x =>
               {
                   using var packed = new PackedSequences(item.Bounds);
                   using var positions = new TokenPositions(packed);
                   return [Rope.Apply(x[0], Table((int)item.Shape[3], x[0].Device), positions)];
               },
           },
        .. from item in new (Shape Queries, Shape Keys, long[] First)[]
           {
               ([2, 5, 6, 8], [2, 5, 3, 8], [5, 2]), ([1, 41, 4, 32], [1, 41, 1, 32], [9]), ([2, 3, 1, 34], [2, 3, 2, 34], [0, 0]),
               ([2, 3, 0, 8], [2, 3, 2, 8], [1, 0]),
           }
           select new OpCase(
               $"rope {item.Queries} and {item.Keys}",
               Rope.Description,
               [new("q", item.Queries), new("k", item.Keys)],
               x => [Reference(x[0], item.Queries, (b, t) => item.First[b] + t), Reference(x[1], item.Keys, (b, t) => item.First[b] + t)])
           {
               Run = x =>
               {
                   using var positions = new TokenPositions(item.First, item.Queries[1]);
                   (Tensor q, Tensor k) = Rope.Apply(x[0], x[1], Table((int)item.Queries[3], x[0].Device), positions);
                   return [q, k];
               },
           },
    ];

    public static TheoryData<string> Devices => [.. TestDevices.Names.Except([TestDevices.MixedCuda])];

    [Theory]
    [MemberData(nameof(Devices), DisableDiscoveryEnumeration = true)]
    public void Packed_sequences_are_as_if_each_stood_alone(string device)
    {
        using var scope = new TensorScope();
        long[] bounds = [0, 3, 3, 4, 21, 40];
        (Tensor x, Tensor dy) = Inputs([1, 40, 3, 34], device);
        using var packed = new PackedSequences(bounds);
        using var positions = new TokenPositions(packed);
        (float[] y, float[] dx) = Pass(x, dy, part => Rope.Apply(part, Table(34, x.Device), positions));
        for (int n = 0; n < bounds.Length - 1; n++)
        {
            (long start, long length) = (bounds[n], bounds[n + 1] - bounds[n]);
            (float[] alone, float[] gradient) = Pass(
                x.Slice(1, start, length), dy.Slice(1, start, length), part => Rope.Apply(part, Table(34, x.Device)));
            Assert.Equal(alone, y.AsSpan((int)start * 3 * 34, alone.Length));
            Assert.Equal(gradient, dx.AsSpan((int)start * 3 * 34, gradient.Length));
        }
    }

    [Theory]
    [MemberData(nameof(Devices), DisableDiscoveryEnumeration = true)]
    public void Sequences_side_by_side_are_as_if_each_stood_alone(string device)
    {
        using var scope = new TensorScope();
        foreach (long[] first in new long[][] { [5, 0, 2000], [9, 9, 9] })
        {
            (Tensor x, Tensor dy) = Inputs([3, 11, 2, 16], device);
            using var positions = new TokenPositions(first, tokens: 11);
            (float[] y, float[] dx) = Pass(x, dy, part => Rope.Apply(part, Table(16, x.Device), positions));
            for (int b = 0; b < first.Length; b++)
            {
                (float[] alone, float[] gradient) = Pass(
                    x.Slice(0, b, 1), dy.Slice(0, b, 1), part => Rope.Apply(part, Table(16, x.Device), first[b]));
                Assert.Equal(alone, y.AsSpan(b * alone.Length, alone.Length));
                Assert.Equal(gradient, dx.AsSpan(b * gradient.Length, gradient.Length));
            }
        }
    }

    [Fact]
    public void Positions_that_do_not_fit_are_refused()
    {
        using var scope = new TensorScope();
        Tensor x = Tensor.Zeros([2, 3, 1, 16]);
        Refused("rope: positions of [1, 3] tokens do not fit x of shape [2, 3, 1, 16].", new TokenPositions([0], 3));
        Refused("rope: positions of [2, 4] tokens do not fit x of shape [2, 3, 1, 16].", new TokenPositions([0, 1], 4));
        Refused("rope: position 4096 lies outside the 4096 of the table.", new TokenPositions([0, 4094], 3));

        void Refused(string message, TokenPositions positions) => Assert.Equal(
            message, Assert.Throws<TensorException>(() => Rope.Apply(x, Table(16), positions)).Message);
    }

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
            "Rotary position embedding needs an even head size, not 7. (Parameter 'headDim')",
            Assert.Throws<ArgumentException>(() => new RopeTable(Theta, 7, 10)).Message);
        Assert.Equal(
            "theta of a rotary position embedding has to be above 0, not 0. (Parameter 'theta')",
            Assert.Throws<ArgumentException>(() => new RopeTable(0, 8, 10)).Message);
        Assert.Equal(
            "A rotary table needs frequencies and positions, not 4 and 0. (Parameter 'frequencies')",
            Assert.Throws<ArgumentException>(() => new RopeTable(Theta, 8, 0)).Message);
    }

    private static RopeTable Table(int headDim, Device? device = null) =>
        Tables.GetOrAdd((device ?? Device.Cpu, headDim), key => new RopeTable(Theta, key.HeadDim, 4096, key.Device));

    private static (Tensor X, Tensor Gradient) Inputs(Shape shape, string device)
    {
        var random = new Random(5);
        DType type = TestDevices.TypeOf(device, isParameter: false);
        Tensor Make() => Tensor.From(
            [.. Enumerable.Range(0, (int)shape.Count).Select(_ => (float)OpInput.Normal(random))],
            shape,
            TestDevices.Get(device)).To(type);
        return (Make(), Make());
    }

    private static (float[] Y, float[] Gradient) Pass(Tensor x, Tensor dy, Func<Tensor, Tensor> apply)
    {
        using var tape = new Tape();
        Tensor leaf = x.Detach().RequireGradient();
        Tensor y = apply(leaf);
        tape.Backward(y, dy);
        float[] gradient = leaf.Gradient!.To(DType.Float32).ToArray<float>();
        leaf.ClearGradient();
        return (y.To(DType.Float32).ToArray<float>(), gradient);
    }

    private static double[] Reference(double[] x, Shape shape, Func<int, int, long> position)
    {
        (long length, long heads, long k) = (shape[1], shape[2], shape[3]);
        var y = new double[x.Length];
        for (long n = 0; n < x.Length; n++)
        {
            long i = n % k;
            long pair = i % (k / 2);
            (long b, long t) = Math.DivRem(n / k / heads, length);
            double angle = position((int)b, (int)t) * Math.Pow(Theta, -2.0 * pair / k);
            double other = i < k / 2 ? -x[n + (k / 2)] : x[n - (k / 2)];
            y[n] = (x[n] * Math.Cos(angle)) + (other * Math.Sin(angle));
        }

        return y;
    }
}
