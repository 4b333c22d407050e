using DynConv.Ops;
using DynConv.Tests.Cuda;

namespace DynConv.Tests.Ops;

public sealed class LinearCrossEntropyTests : OpTests<LinearCrossEntropyTests>, IOpCases
{
    private const int Ignored = CrossEntropy.DefaultIgnoreIndex;

    public static TheoryData<string> Devices => [.. TestDevices.Names];

    public static IEnumerable<OpCase> Cases =>
    [
        Case("one row", 5, 3, [3], 4),
        Case("rows that fill no chunk", 61, 19, [0, 60, Ignored, 7, 7, Ignored, 33], 3),
        Case("whole chunks", 64, 16, [1, 63, 0, 8], 2),
        Case("the first chunk ignored", 13, 8, [Ignored, Ignored, 12, 4, 0], 2),
        Case("all ignored", 9, 4, [Ignored, Ignored, Ignored], 2),
        Case("no row", 7, 4, [], 2),
        Case("a prime number of many classes", 4099, 5, [4098, 0, Ignored], 2),
        // A block of a card has its next row on the way while it is at one: rows of one after another, counted or not.
        Case("more long rows than blocks", 30011, 2, [.. Enumerable.Range(0, 29).Select(i => i % 5 == 3 ? Ignored : 1000 * i)], 29),
    ];

    [Theory]
    [MemberData(nameof(Devices))]
    public void It_is_the_linear_layer_and_the_loss(string device)
    {
        const int Rows = 150;
        (float[] hidden, float[] weight, int[] targets) = Inputs(Rows, 67, 24);
        Device place = TestDevices.Get(device);
        DType type = TestDevices.TypeOf(device, isParameter: false);
        DType weightType = TestDevices.TypeOf(device, isParameter: true);

        // Rounded inputs, so that bfloat16 has the gradients of float32 up to what it rounds later.
        Tensor Input(float[] values, Shape shape, DType dtype) => Tensor.From(values, shape, place).To(type).To(dtype).RequireGradient();

        (float Loss, float[] Hidden, float[] Weight) Run(Func<Tensor, Tensor, Tensor, Tensor> loss)
        {
            using var scope = new TensorScope();
            using var tape = new Tape();
            Tensor x = Input(hidden, [2, Rows / 2, 24], type);
            Tensor w = Input(weight, [67, 24], weightType);
            Tensor result = loss(x, w, Tensor.From(targets, [2, Rows / 2], place));
            tape.Backward(result, Tensor.From([0.375f], [1], place).Reshape([]));
            return (result.Item(), x.Gradient!.To(DType.Float32).ToArray<float>(), w.Gradient!.To(DType.Float32).ToArray<float>());
        }

        var plain = Run((x, w, t) => CrossEntropy.Mean(MatMul.Linear(x, w).Reshape(Rows, 67), t.Reshape(Rows)));
        foreach (long? chunkRows in new long?[] { null, 64, 1 })
        {
            var chunked = Run((x, w, t) => LinearCrossEntropy.Mean(x, w, t, Ignored, chunkRows));
            double tolerance = type == DType.BFloat16 ? 8e-3 : 2e-6;
            Assert.Equal(plain.Loss, chunked.Loss, tolerance * plain.Loss);
            AssertClose(plain.Hidden, chunked.Hidden, tolerance);
            AssertClose(plain.Weight, chunked.Weight, tolerance);
        }
    }

    [Theory]
    [MemberData(nameof(Devices))]
    public void Its_weight_may_be_the_embedding_as_well(string device)
    {
        (float[] hidden, float[] weight, int[] targets) = Inputs(6, 11, 8);
        Device place = TestDevices.Get(device);
        DType type = TestDevices.TypeOf(device, isParameter: false);

        float[] Gradient(Func<Tensor, Tensor, Tensor, Tensor> loss)
        {
            using var scope = new TensorScope();
            Tensor leaf = Tensor.From(weight, [11, 8], place).RequireGradient();
            for (int step = 0; step < 2; step++)
            {
                using var tape = new Tape();
                Tensor table = leaf.RepresentedBy(leaf.Detach().To(type));
                Tensor x = EmbeddingLookup.Apply(table, Tensor.From([3, 1, 3, 0, 10, 2], [6], place));
                Tensor result = loss(Elementwise.Add(x, Tensor.From(hidden, [6, 8], place).To(type)), table, Tensor.From(targets, [6], place));
                tape.Backward(result, Tensor.From([step + 1f], [1], place).Reshape([]));
            }

            return leaf.Gradient!.ToArray<float>();
        }

        float[] wanted = Gradient((x, w, t) => CrossEntropy.Mean(MatMul.Linear(x, w), t));
        float[] got = Gradient((x, w, t) => LinearCrossEntropy.Mean(x, w, t, Ignored, chunkRows: 4));
        AssertClose(wanted, got, type == DType.BFloat16 ? 8e-3 : 2e-6);
    }

    [Fact]
    public void A_gradient_of_1_leaves_what_the_forward_pass_has_made()
    {
        using var scope = new TensorScope();
        (float[] hidden, float[] weight, int[] targets) = Inputs(5, 7, 4);
        Tensor w = Tensor.From(weight, [7, 4]).RequireGradient();
        using var tape = new Tape();
        Tensor loss = LinearCrossEntropy.Mean(Tensor.From(hidden, [5, 4]), w, Tensor.From(targets, [5]));
        long before = Device.Cpu.Memory.LiveBuffers;
        tape.Backward(loss);

        // The gradient is the buffer of the forward pass.
        Assert.Equal(before, Device.Cpu.Memory.LiveBuffers);
        Assert.NotNull(w.Gradient);
    }

    [Fact]
    public void The_logits_of_all_rows_never_exist()
    {
        using var scope = new TensorScope();
        (float[] hidden, float[] weight, int[] targets) = Inputs(256, 1024, 4);
        MemoryPool memory = Device.Cpu.Memory;
        Tensor w = Tensor.From(weight, [1024, 4]).RequireGradient();
        Tensor x = Tensor.From(hidden, [256, 4]).RequireGradient();
        Tensor t = Tensor.From(targets, [256]);
        using var tape = new Tape();
        memory.ResetPeak();
        long before = memory.LiveBytes;
        tape.Backward(LinearCrossEntropy.Mean(x, w, t, Ignored, chunkRows: 16));
        _ = LinearCrossEntropy.Rows(x, w, t, Ignored, chunkRows: 16);
        Assert.InRange(memory.PeakLiveBytes - before, 16 * 1024 * sizeof(float), 256 * 1024 * sizeof(float) / 4);
    }

    [Fact]
    public void Rows_are_those_of_the_linear_layer_and_the_loss()
    {
        using var scope = new TensorScope();
        (float[] hidden, float[] weight, int[] targets) = Inputs(10, 13, 6);
        (Tensor x, Tensor w, Tensor t) = (Tensor.From(hidden, [2, 5, 6]), Tensor.From(weight, [13, 6]), Tensor.From(targets, [2, 5]));
        Tensor rows = LinearCrossEntropy.Rows(x, w, t, Ignored, chunkRows: 3);
        Assert.Equal([2, 5], rows.Shape.Dimensions);
        AssertClose(CrossEntropy.Rows(MatMul.Linear(x, w).Reshape(10, 13), t.Reshape(10)).ToArray<float>(), rows.ToArray<float>(), 1e-6);
    }

    [Fact]
    public void Without_a_tape_the_loss_has_the_same_bits()
    {
        using var scope = new TensorScope();
        (float[] hidden, float[] weight, int[] targets) = Inputs(10, 13, 6);
        (Tensor x, Tensor w, Tensor t) = (Tensor.From(hidden, [10, 6]).RequireGradient(), Tensor.From(weight, [13, 6]), Tensor.From(targets, [10]));
        float without = LinearCrossEntropy.Mean(x, w, t).Item();
        using var tape = new Tape();
        Assert.Equal(without, LinearCrossEntropy.Mean(x, w, t).Item());
    }

    [Fact]
    public void Logits_that_are_not_finite_are_found()
    {
        using var scope = new TensorScope();
        using IDisposable check = FiniteCheck.Start();
        using FiniteCheck.PlaceGuard place = FiniteCheck.Enter("lm_head");
        Tensor hidden = Tensor.From([1f, 1f, float.MaxValue, float.MaxValue], [2, 2]);
        var error = Assert.Throws<NonFiniteException>(
            () => LinearCrossEntropy.Mean(hidden, Tensor.Ones([3, 2]), Tensor.From([0, Ignored], [2])));
        Assert.Equal("linear_cross_entropy in lm_head produced a non-finite value.", error.Message);
    }

    [Fact]
    public void A_target_outside_the_classes_gives_NaN_on_a_card()
    {
        Device device = CudaCard.Get();
        using var scope = new TensorScope();
        using var tape = new Tape();
        Tensor hidden = Tensor.Zeros([2, 3], DType.Float32, device).RequireGradient();
        Tensor weight = Tensor.Ones([5, 3], DType.Float32, device);
        Tensor loss = LinearCrossEntropy.Mean(hidden, weight, Tensor.From([5, 1], [2], device));
        Assert.True(float.IsNaN(loss.Item()));
        tape.Backward(loss);
        float[] gradient = hidden.Gradient!.ToArray<float>();
        Assert.All(gradient[..3], value => Assert.True(float.IsNaN(value)));
        Assert.All(gradient[3..], value => Assert.Equal(0, value, 1e-6f));
    }

    [Fact]
    public void What_does_not_fit_is_refused()
    {
        using var scope = new TensorScope();
        AssertRefused("hidden [2, 5] and weight [7, 4] do not fit; [..., K] and [V, K] do.", [2, 5], [7, 4], Tensor.From([1, 2], [2]));
        AssertRefused(
            "targets of shape [1] do not fit hidden of shape [2, 5]: one for each row of it does.", [2, 5], [7, 5], Tensor.From([1], [1]));
        AssertRefused("targets have to be int32, not float32.", [2, 5], [7, 5], Tensor.Zeros([2]));
        AssertRefused("target 7 of row 1 lies outside the 7 classes.", [2, 5], [7, 5], Tensor.From([6, 7], [2]));
    }

    private static void AssertRefused(string problem, Shape hidden, Shape weight, Tensor targets)
    {
        var error = Assert.Throws<TensorException>(() => LinearCrossEntropy.Mean(Tensor.Zeros(hidden), Tensor.Zeros(weight), targets));
        Assert.Equal($"linear_cross_entropy: {problem}", error.Message);
    }

    private static void AssertClose(float[] wanted, float[] got, double tolerance)
    {
        double limit = tolerance * wanted.Max(Math.Abs);
        Assert.Equal(wanted, got, (a, b) => Math.Abs(a - b) <= limit);
    }

    private static (float[] Hidden, float[] Weight, int[] Targets) Inputs(int rows, int classes, int width)
    {
        var random = new Random(rows);
        float[] Numbers(int count) => [.. Enumerable.Range(0, count).Select(_ => (float)(OpInput.Normal(random) / 2))];
        return (Numbers(rows * width), Numbers(classes * width), [.. Enumerable.Range(0, rows).Select(i => i % 5 == 4 ? Ignored : random.Next(classes))]);
    }

    private static OpCase Case(string name, int classes, int width, int[] targets, int chunkRows) => OpCase.Of(
        name,
        LinearCrossEntropy.Description,
        [[targets.Length, width], [classes, width], [targets.Length]],
        x => [[Reference(x[0], x[1], targets, classes, width)]])
        .With("weight", weight => weight with { Draw = random => OpInput.Normal(random) / Math.Sqrt(width) })
        .With("targets", input => input with { Integers = targets })
        with
        {
            Settings = new Dictionary<string, string> { ["chunk_rows"] = $"{chunkRows}" },
        };

    private static double Reference(double[] hidden, double[] weight, int[] targets, int classes, int width)
    {
        double sum = 0;
        int count = 0;
        var row = new double[classes];
        for (int n = 0; n < targets.Length; n++)
        {
            if (targets[n] == Ignored)
            {
                continue;
            }

            for (int v = 0; v < classes; v++)
            {
                row[v] = 0;
                for (int k = 0; k < width; k++)
                {
                    row[v] += hidden[(n * width) + k] * weight[(v * width) + k];
                }
            }

            double max = row.Max();
            sum += max + Math.Log(row.Sum(value => Math.Exp(value - max))) - row[targets[n]];
            count++;
        }

        return sum / Math.Max(1, count);
    }
}
