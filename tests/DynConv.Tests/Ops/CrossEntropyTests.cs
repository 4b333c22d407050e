using DynConv.Ops;
using DynConv.Tests.Cuda;

namespace DynConv.Tests.Ops;

public sealed class CrossEntropyTests : OpTests<CrossEntropyTests>, IOpCases
{
    private const int Ignored = CrossEntropy.DefaultIgnoreIndex;

    public static IEnumerable<OpCase> Cases =>
    [
        Case("one class", 1, [0, 0]),
        Case("one row", 5, [3]),
        Case("some ignored", 61, [0, 60, Ignored, 7, 7, Ignored, 33]),
        Case("all ignored", 9, [Ignored, Ignored]),
        Case("many classes", 2500, [0, 2499, 1024, Ignored]),
        Case("wide range", 40, [0, 5, 39], spread: 30),
        Case("rows that begin anywhere", 17003, [17002, 0]),
    ];

    [Fact]
    public void Large_logits_keep_their_small_differences()
    {
        using var scope = new TensorScope();
        using var tape = new Tape();
        using Tensor logits = Tensor.From([1e4f, 1e4f, 1e4f, 1e4f], [1, 4]).RequireGradient();
        Tensor loss = CrossEntropy.Mean(logits, Tensor.From([2], [1]));
        Assert.Equal((float)Math.Log(4), loss.Item());
        tape.Backward(loss);
        Assert.Equal([0.25f, 0.25f, -0.75f, 0.25f], logits.Gradient!.ToArray<float>());
        logits.ClearGradient();
    }

    [Fact]
    public void An_impossible_class_costs_its_whole_distance()
    {
        using var scope = new TensorScope();
        Tensor logits = Tensor.From([1e4f, -1e4f, float.NegativeInfinity, 0f], [2, 2]);
        Assert.Equal([2e4f, 0f], CrossEntropy.Rows(logits, Tensor.From([1, 1], [2])).ToArray<float>());
    }

    [Fact]
    public void No_counted_row_gives_zero_and_no_gradient()
    {
        using var scope = new TensorScope();
        using var tape = new Tape();
        using Tensor logits = Tensor.From([1f, 2f, 3f, 4f], [2, 2]).RequireGradient();
        Tensor loss = CrossEntropy.Mean(logits, Tensor.From([7, 7], [2]), ignoreIndex: 7);
        Assert.Equal(0f, loss.Item());
        tape.Backward(loss);
        Assert.Equal([0f, 0f, 0f, 0f], logits.Gradient!.ToArray<float>());
        logits.ClearGradient();
    }

    [Fact]
    public void Rows_have_the_mean_of_Mean()
    {
        using var scope = new TensorScope();
        Tensor logits = Tensor.From(Enumerable.Range(0, 30).Select(i => MathF.Sin(i * i)).ToArray(), [3, 10]);
        Tensor targets = Tensor.From([4, Ignored, 9], [3]);
        float[] rows = CrossEntropy.Rows(logits, targets).ToArray<float>();
        Assert.Equal(0f, rows[1]);
        Assert.Equal(CrossEntropy.Mean(logits, targets).Item(), (rows[0] + rows[2]) / 2, 1e-6f);
    }

    [Fact]
    public void A_target_outside_the_classes_is_refused()
    {
        using var scope = new TensorScope();
        var error = Assert.Throws<TensorException>(
            () => CrossEntropy.Mean(Tensor.Zeros([2, 5]), Tensor.From([4, 5], [2])));
        Assert.Equal("cross_entropy: target 5 of row 1 lies outside the 5 classes.", error.Message);
    }

    [Fact]
    public void A_target_outside_the_classes_gives_NaN_on_a_card()
    {
        Device device = CudaCard.Get();
        using var scope = new TensorScope();
        using var tape = new Tape();
        using Tensor logits = Tensor.Zeros([2, 5], DType.Float32, device).RequireGradient();
        Tensor loss = CrossEntropy.Mean(logits, Tensor.From([5, 1], [2], device));
        Assert.True(float.IsNaN(loss.Item()));
        tape.Backward(loss);
        float[] gradient = logits.Gradient!.ToArray<float>();
        Assert.All(gradient[..5], value => Assert.True(float.IsNaN(value)));
        Assert.Equal([0.1f, -0.4f, 0.1f, 0.1f, 0.1f], gradient[5..], (a, b) => Math.Abs(a - b) < 1e-6f);
        logits.ClearGradient();
    }

    [Fact]
    public void Targets_that_do_not_fit_are_refused()
    {
        using var scope = new TensorScope();
        var shape = Assert.Throws<TensorException>(
            () => CrossEntropy.Mean(Tensor.Zeros([2, 5]), Tensor.From([4], [1])));
        Assert.Equal("cross_entropy: targets of shape [1] do not fit logits of shape [2, 5].", shape.Message);
        var dtype = Assert.Throws<TensorException>(() => CrossEntropy.Mean(Tensor.Zeros([2, 5]), Tensor.Zeros([2])));
        Assert.Equal("cross_entropy: targets have to be int32, not float32.", dtype.Message);
    }

    // Around the numbers of classes at which a row no longer shares a multiprocessor, and no longer fits into shared memory.
    [Theory]
    [InlineData("cuda", 17, 1)]
    [InlineData("cuda", 28929, 3)]
    [InlineData("cuda", 57600, 0)]
    [InlineData("cuda", 57857, 1)]
    [InlineData("cuda bfloat16", 4097, 7)]
    [InlineData("cuda bfloat16", 57857, 1)]
    [InlineData("cuda bfloat16", 65537, 0)]
    [InlineData("cuda bfloat16", 115713, 1)]
    public void Losses_and_gradients_in_place_leave_what_is_beside_the_rows_alone(string device, int classes, int offset)
    {
        Device card = CudaCard.Get();
        DType type = TestDevices.TypeOf(device, isParameter: false);
        using var scope = new TensorScope();
        const int Rows = 11;
        int stride = classes + offset + 2;
        var random = new Random(classes);
        // Numbers that bfloat16 holds exactly.
        float[] all = [.. Enumerable.Range(0, Rows * stride).Select(
            _ => BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits((float)(4 * OpInput.Normal(random))) & ~0xffff))];
        int[] targets = [.. Enumerable.Range(0, Rows).Select(i => i % 5 == 3 ? Ignored : i % 2 == 0 ? classes - 1 : i * 3 % classes)];
        Tensor rows = Tensor.From(all, [Rows, stride], card).To(type);
        Tensor wanted = Tensor.From(targets, [Rows], card);
        Tensor losses = Tensor.Empty([Rows], DType.Float32, card);
        CrossEntropy.WriteRowsAndGradient(
            rows.Slice(1, offset, classes), wanted, Ignored, CrossEntropy.InverseCount(wanted, Ignored), losses);
        float[] written = rows.To(DType.Float32).ToArray<float>();
        float[] lost = losses.ToArray<float>();
        double share = 1.0 / targets.Count(static target => target != Ignored);

        // A result in bfloat16 is rounded to 8 bits.
        double tolerance = type == DType.BFloat16 ? 1 / 256.0 : 2e-5;
        for (int n = 0; n < Rows; n++)
        {
            ReadOnlySpan<float> before = all.AsSpan(n * stride, stride);
            ReadOnlySpan<float> after = written.AsSpan(n * stride, stride);
            Assert.True(before[..offset].SequenceEqual(after[..offset]) && before[^2..].SequenceEqual(after[^2..]), $"row {n}: beside it");
            double[] logits = [.. before.Slice(offset, classes).ToArray()];
            double max = logits.Max();
            double sum = logits.Sum(logit => Math.Exp(logit - max));
            int target = targets[n];
            Assert.Equal(target == Ignored ? 0 : max + Math.Log(sum) - logits[target], lost[n], 1e-4);
            for (int c = 0; c < classes; c++)
            {
                double gradient = target == Ignored ? 0 : share * ((Math.Exp(logits[c] - max) / sum) - (c == target ? 1 : 0));
                Assert.True(
                    Math.Abs(gradient - after[offset + c]) <= tolerance * Math.Abs(gradient), $"row {n}, class {c}: {after[offset + c]} for {gradient}");
            }
        }
    }

    private static OpCase Case(string name, int classes, int[] targets, double spread = 1) => OpCase.Of(
        name, CrossEntropy.Description, [[targets.Length, classes], [targets.Length]], x => [[Reference(x[0], targets, classes)]])
        .With("logits", logits => logits with { Draw = random => spread * OpInput.Normal(random) })
        .With("targets", input => input with { Integers = targets });

    private static double Reference(double[] logits, int[] targets, int classes)
    {
        double sum = 0;
        int count = 0;
        for (int n = 0; n < targets.Length; n++)
        {
            if (targets[n] != Ignored)
            {
                double[] row = [.. logits.Skip(n * classes).Take(classes)];
                double max = row.Max();
                sum += max + Math.Log(row.Sum(value => Math.Exp(value - max))) - row[targets[n]];
                count++;
            }
        }

        return sum / Math.Max(1, count);
    }
}
