using System.Reflection;
using DynConv.Diagnostics;
using DynConv.Modules;
using DynConv.Ops;
using DynConv.Tests.Cuda;

namespace DynConv.Tests.Diagnostics;

[Trait("Uses", "compiler")]
public sealed class OpBenchmarkTests
{
    private static readonly TimeSpan Budget = TimeSpan.FromMilliseconds(1);

    // Every letter of every op, small; heads divide channels.
    private static readonly Dictionary<string, int> Small = new()
    {
        ["B"] = 2, ["T"] = 9, ["S"] = 9, ["D"] = 16, ["W"] = 4, ["H"] = 2, ["G"] = 2, ["K"] = 8, ["R"] = 16, ["N"] = 24, ["M"] = 8, ["F"] = 16, ["V"] = 32, ["Hv"] = 4, ["P"] = 4,
    };

    public static TheoryData<string> Names => [.. OpCatalogue.All.Select(static op => op.Name)];

    public static TheoryData<ShortConvolutionKind, ConvolutionLayout> Layouts => new(
        from kind in Enum.GetValues<ShortConvolutionKind>()
        from layout in Enum.GetValues<ConvolutionLayout>()
        select (kind, layout));

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_op_is_timed_on_the_CPU_and_leaves_nothing(string name) => Time(name, Device.Cpu, DType.Float32);

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_op_is_timed_on_a_card_and_leaves_nothing(string name) => Time(name, CudaCard.Get(), DType.BFloat16);

    [Theory]
    [MemberData(nameof(Layouts))]
    public void Every_convolution_in_every_layout_is_timed_on_a_card(ShortConvolutionKind kind, ConvolutionLayout layout)
    {
        var shape = new ConvolutionShape(kind, 2, 9, 16, 4)
        {
            Rank = kind == ShortConvolutionKind.LowRank ? 16 : 0,
            HeadSize = kind == ShortConvolutionKind.HeadWise ? 16 : 0,
            Static = true,
            DType = DType.BFloat16,
            Layout = layout,
        };
        Time(shape.Load, CudaCard.Get());
    }

    [Fact]
    public void All_descriptions_are_in_the_catalogue_under_names_of_their_own()
    {
        OpDescription[] described =
        [
            .. typeof(OpDescription).Assembly.GetTypes()
                .Where(static type => type != typeof(OpCatalogue))
                .SelectMany(static type => type.GetProperties(BindingFlags.Static | BindingFlags.Public))
                .Where(static property => property.PropertyType == typeof(OpDescription) || property.PropertyType == typeof(IReadOnlyList<OpDescription>))
                .SelectMany(static property => property.GetValue(null) switch
                {
                    OpDescription one => [one],
                    IReadOnlyList<OpDescription> several => several,
                    _ => Array.Empty<OpDescription>(),
                }),
            OpCatalogue.TransposedCopy,
        ];
        Assert.Equal(described.Select(static op => op.Name).Order(), OpCatalogue.All.Select(static op => op.Name).Order());
        Assert.Equal(described.Length, described.Select(static op => op.Name).Distinct().Count());
    }

    [Fact]
    public void Bytes_are_those_of_each_tensor_once_in_each_direction()
    {
        OpSizes sizes = OpSizes.Parse("N=10 D=3");

        // Forward x, weight, y; backward x, weight and dy again, then dx and dweight.
        Assert.Equal(new PassCosts(4 * (30 + 3 + 30), 4 * (30 + 3 + 30 + 30 + 3)), Bytes(RmsNormalization.Description, DType.Float32));
        Assert.Equal(new PassCosts((2 * 60) + (4 * 3), (2 * 90) + (4 * 6)), Bytes(RmsNormalization.Description, DType.BFloat16));

        // The gradient of x is dy itself, which is read for that of the bias; of a sum nothing is read.
        Assert.Equal(new PassCosts(4 * (30 + 3 + 30), 4 * (30 + 3)), Bytes(Bias.Description, DType.Float32));
        Assert.Equal(new PassCosts(4 * 90, 0), Bytes(Elementwise.AddDescription, DType.Float32));

        // An optimizer reads and writes three tensors and reads a fourth; there is no backward pass.
        Assert.Equal(new PassCosts(4 * 7 * 10, 0), Bytes(AdamW.Description, DType.Float32));

        PassCosts Bytes(OpDescription op, DType dtype) => op.Bytes(sizes, op.Inputs, dtype, DType.Float32);
    }

    [Fact]
    public void Only_the_rows_of_a_table_that_are_picked_are_read()
    {
        OpDescription op = EmbeddingLookup.Description;
        PassCosts bytes = op.Bytes(OpSizes.Parse("V=100 N=7 D=3"), op.Inputs, DType.Float32, DType.Float32);
        Assert.Equal(4 * (7 + 21 + 21), bytes.Forward);
        Assert.Equal(4 * (7 + 21 + 300), bytes.Backward);
    }

    [Fact]
    public void Sizes_give_dimensions_and_say_what_is_missing()
    {
        OpSizes sizes = OpSizes.Parse("B=2 W=4 D=6 R=5");
        Assert.Equal([2, 3, 6], sizes.ShapeOf(new OpTensor("state", "[B, W-1, D]")));
        Assert.Equal([5, 24, 7], sizes.ShapeOf(new OpTensor("u", "[R, W*D, 7]")));
        Assert.Equal([], sizes.ShapeOf(new OpTensor("loss", "[]")));
        Assert.Equal("B=2 W=3 D=6 R=5", sizes.With(OpSizes.Parse("W=3")).ToString());
        Assert.Equal("There is no size of T among B=2 W=4 D=6 R=5.", Message(() => sizes.ShapeOf(new OpTensor("x", "[B, T]"))));
        Assert.Equal("There is no T among B=2 W=4 D=6 R=5.", Message(() => sizes.With(OpSizes.Parse("T=1"))));
        Assert.Equal("Sizes are written as in B=4 T=4096, not as B:4.", Message(() => OpSizes.Parse("B:4")));
        Assert.Equal("Sizes are written as in B=4 T=4096, not as =3.", Message(() => OpSizes.Parse("=3")));
        Assert.Equal("B has two sizes in B=4 B=5.", Message(() => OpSizes.Parse("B=4 B=5")));
        Assert.Equal(
            "bias: N=0 leaves nothing to measure; sizes are at least 1.",
            Message(() => OpBenchmark.Run(Device.Cpu, ops: [Bias.Description], sizes: OpSizes.Parse("N=0"))));
        Assert.Equal(
            "bias: tensors of N=2147483647 D=2147483647 are larger than any machine's memory.",
            Message(() => OpBenchmark.Run(Device.Cpu, ops: [Bias.Description], sizes: OpSizes.Parse("N=2147483647 D=2147483647"))));

        static string Message(Action action) => Assert.Throws<DynConvException>(action).Message;
    }

    [Fact]
    public void A_row_says_what_was_measured_and_its_shares_follow_from_its_times()
    {
        OpTiming row = Assert.Single(OpBenchmark.Run(
            Device.Cpu, ops: [Attention.Description], sizes: OpSizes.Parse("B=1 T=33 S=33 H=2 G=1 K=8"), budget: Budget));
        Assert.Equal(("attention", "B=1 T=33 S=33 H=2 G=1 K=8", "float32"), (row.Op, row.Sizes, row.DType));
        double operations = 2.0 * 33 * 34 / 2 * 2 * 8;
        double bytes = 4 * 33 * 8 * (2 + 1 + 1 + 2);
        Assert.Equal(
            Math.Max(2 * operations / row.ProductTflopPerS / 1e6, bytes / row.CopyGbPerS / 1e3), row.ForwardFloorUs, 1e-9 * row.ForwardFloorUs);
        Assert.Equal(row.ForwardFloorUs / row.ForwardUs, row.ForwardShare, 1e-12);
        Assert.Equal(row.ForwardBackwardFloorUs / row.ForwardBackwardUs, row.ForwardBackwardShare);
    }

    private static void Time(string name, Device device, DType dtype)
    {
        OpDescription op = OpCatalogue.Find(name)!;
        string[] letters = [.. op.CpuSizes.ToString().Split(' ').Select(static pair => pair.Split('=')[0])];
        OpSizes sizes = OpSizes.Parse(string.Join(' ', letters.Select(static letter => $"{letter}={Small[letter]}")));
        Time(new OpWorkload(op, sizes, dtype, DType.Float32), device);
    }

    private static void Time(OpWorkload load, Device device)
    {
        long before = device.Memory.LiveBuffers;
        using (var timer = new OpTimer(device, new NormalValues(), Budget, cacheBytes: 0, leastCalls: 2))
        {
            PassTimes times = timer.Measure(load);
            Assert.InRange(times.Forward, 0, 10);
            Assert.InRange(times.ForwardBackward, 0, 10);
            Assert.Equal(load.Op.HasGradient && device.IsCuda, times.Backward is >= 0 and <= 10);
        }

        Assert.Equal(before, device.Memory.LiveBuffers);
    }
}
