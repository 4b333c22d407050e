using System.Globalization;
using DynConv.Ops;

namespace DynConv.Tests.Ops;

public sealed class AttentionTests : OpTests<AttentionTests>, IOpCases
{
    public static IEnumerable<OpCase> Cases =>
    [
        Case("one token", 1, 1, 1, 1, 1, 4),
        Case("odd channels", 2, 5, 5, 3, 3, 7),
        Case("grouped queries", 2, 9, 9, 6, 2, 16),
        Case("head of 64", 1, 70, 70, 1, 1, 64),
        Case("several blocks", 1, 140, 140, 1, 1, 8),
        Case("head of 80", 1, 33, 33, 1, 1, 80),
        Case("decoding one", 2, 1, 20, 4, 2, 16),
        Case("decoding some", 2, 5, 131, 2, 1, 8),
        Case("packed", 1, 150, 150, 1, 1, 8, packed: [0, 1, 40, 40, 63, 130, 150]),
        Case("head of 40, edges of tiles", 1, 129, 129, 2, 1, 40),
        Case("head of 64, past the second tile", 1, 131, 200, 4, 2, 64),
        Case("head of 64, packed", 1, 150, 150, 1, 1, 64, packed: [0, 1, 40, 40, 63, 130, 150]),
        Case("head of 128", 2, 66, 66, 2, 1, 128),
        Case("head of 40, decoding", 1, 3, 70, 2, 1, 40),
        Case("head of 200", 1, 20, 36, 1, 1, 200),
        Case("decoding four", 1, 4, 300, 2, 2, 64),
        Case("packed, few", 1, 4, 4, 1, 1, 16, packed: [0, 1, 4]),
        Case("scaled", 1, 12, 12, 1, 1, 16, scale: 0.7f),
        Case("no tokens", 1, 0, 0, 2, 1, 8),
        Case("no batch", 0, 3, 3, 2, 1, 16),
    ];

    public static TheoryData<string> Devices => [.. TestDevices.Float32Names];

    [Theory]
    [MemberData(nameof(Devices), DisableDiscoveryEnumeration = true)]
    public void Decoding_continues_the_sequence(string deviceName)
    {
        Device device = TestDevices.Get(deviceName);
        using var scope = new TensorScope();
        (Tensor q, Tensor k, Tensor v) = Inputs(2, 100, 4, 2, 32, device);
        float[] whole = Attention.Causal(q, k, v).Slice(1, 83, 17).ToArray<float>();
        AssertClose(whole, Attention.Causal(q.Slice(1, 83, 17), k, v).ToArray<float>());
        for (int t = 83; t < 86; t++)
        {
            Tensor one = Attention.Causal(q.Slice(1, t, 1), k.Slice(1, 0, t + 1), v.Slice(1, 0, t + 1));
            AssertClose(Attention.Causal(q, k, v).Slice(1, t, 1).ToArray<float>(), one.ToArray<float>());
        }
    }

    [Fact]
    public void Packed_sequences_are_as_if_each_stood_alone()
    {
        using var scope = new TensorScope();
        long[] bounds = [0, 70, 71, 90, 200];
        (Tensor q, Tensor k, Tensor v) = Inputs(1, 200, 2, 1, 16);
        using var sequences = new PackedSequences(bounds);
        Tensor packed = Attention.Causal(q, k, v, new() { Packed = sequences });
        for (int n = 0; n < bounds.Length - 1; n++)
        {
            (long start, long length) = (bounds[n], bounds[n + 1] - bounds[n]);
            Tensor[] parts = [.. new[] { q, k, v }.Select(x => x.Slice(1, start, length))];
            Tensor alone = Attention.Causal(parts[0], parts[1], parts[2]);
            AssertClose(alone.ToArray<float>(), packed.Slice(1, start, length).ToArray<float>());
        }
    }

    [Fact]
    public void Later_tokens_change_nothing()
    {
        using var scope = new TensorScope();
        (Tensor q, Tensor k, Tensor v) = Inputs(1, 130, 2, 2, 16);
        float[] whole = Attention.Causal(q, k, v).Slice(1, 0, 77).ToArray<float>();
        AssertClose(
            whole, Attention.Causal(q.Slice(1, 0, 77), k.Slice(1, 0, 77), v.Slice(1, 0, 77)).ToArray<float>());
    }

    [Fact]
    public void Rotary_positions_turn_queries_and_keys_first()
    {
        using var scope = new TensorScope();
        (Tensor q, Tensor k, Tensor v) = Inputs(1, 30, 4, 2, 16);
        using var table = new RopeTable(100, 16, 40);
        using var positions = new TokenPositions([5], 30);
        Tensor wanted = Attention.Causal(Rope.Apply(q, table, positions), Rope.Apply(k, table, positions), v);
        Tensor got = Attention.Causal(q, k, v, new() { Rotary = new(table, positions) });
        Assert.Equal(wanted.ToArray<float>(), got.ToArray<float>());
        Assert.Equal(
            "attention: 2 queries and 30 keys do not have the same positions; turn them before.",
            Assert.Throws<TensorException>(() => Attention.Causal(q.Slice(1, 0, 2), k, v, new() { Rotary = new(table, positions) })).Message);
    }

    [Fact]
    public void The_first_token_sees_itself_alone()
    {
        using var scope = new TensorScope();
        (Tensor q, Tensor k, Tensor v) = Inputs(1, 90, 1, 1, 16);
        Assert.Equal(
            v.Slice(1, 0, 1).ToArray<float>(),
            Attention.Causal(Elementwise.Scale(q, 1e6f), k, v).Slice(1, 0, 1).ToArray<float>());
    }

    [Fact]
    public void Huge_scores_pick_the_largest_key_and_stay_finite()
    {
        using var scope = new TensorScope();
        using var tape = new Tape();
        const int Length = 80;
        Tensor q = Tensor.From(Enumerable.Repeat(100f, Length).ToArray(), [1, Length, 1, 1]).RequireGradient();
        float[] keys = [.. Enumerable.Range(0, Length).Select(j => j == 3 ? 100f : -100f)];
        Tensor k = Tensor.From(keys, [1, Length, 1, 1]);
        Tensor v = Tensor.From(Enumerable.Range(0, Length).Select(j => (float)j).ToArray(), [1, Length, 1, 1]);
        Tensor y = Attention.Causal(q, k, v);
        Assert.Equal(Enumerable.Repeat(3f, Length - 3), y.Slice(1, 3, Length - 3).ToArray<float>());
        tape.Backward(y, y.Detach());
        Assert.All(q.Gradient!.ToArray<float>(), gradient => Assert.True(float.IsFinite(gradient)));
        q.ClearGradient();
    }

    [Fact]
    public void Equal_scores_give_the_mean_of_the_values()
    {
        using var scope = new TensorScope();
        (_, Tensor k, Tensor v) = Inputs(1, 100, 1, 1, 16);
        float[] y = Attention.Causal(Tensor.Zeros([1, 100, 1, 16]), k, v).Slice(1, 99, 1).ToArray<float>();
        float[] values = v.ToArray<float>();
        AssertClose([.. Enumerable.Range(0, 16).Select(c => values.Where((_, i) => i % 16 == c).Average())], y);
    }

    [Theory]
    [MemberData(nameof(Devices), DisableDiscoveryEnumeration = true)]
    public void Queries_keys_and_values_may_be_slices_of_one_projection(string deviceName)
    {
        Device device = TestDevices.Get(deviceName);
        using var scope = new TensorScope();
        using var tape = new Tape();
        float[] values = [.. Enumerable.Range(0, 2 * 40 * 96).Select(i => MathF.Sin(i * 0.7f))];
        using Tensor fused = Tensor.From(values, [2, 40, 96], device).RequireGradient();
        Tensor[] parts = [.. new[] { (0, 64, 4), (64, 16, 1), (80, 16, 1) }.Select(
            part => fused.Slice(2, part.Item1, part.Item2).Reshape(2, 40, part.Item3, 16))];
        Tensor[] copies = [.. parts.Select(part => part.Detach().Clone().RequireGradient())];
        Tensor y = Attention.Causal(parts[0], parts[1], parts[2]);
        Tensor same = Attention.Causal(copies[0], copies[1], copies[2]);
        Assert.Equal(same.ToArray<float>(), y.ToArray<float>());
        tape.Backward((y, y.Detach()), (same, same.Detach()));
        for (int i = 0; i < parts.Length; i++)
        {
            Assert.Equal(copies[i].Gradient!.ToArray<float>(), parts[i].Gradient!.ToArray<float>());
            copies[i].ClearGradient();
        }

        fused.ClearGradient();
    }

    [Theory]
    [MemberData(nameof(Devices), DisableDiscoveryEnumeration = true)]
    public void One_tensor_may_be_queries_keys_and_values(string deviceName)
    {
        Device device = TestDevices.Get(deviceName);
        using var scope = new TensorScope();
        using var tape = new Tape();
        (Tensor x, _, _) = Inputs(1, 100, 1, 1, 16, device);
        Tensor[] copies = [.. Enumerable.Range(0, 3).Select(_ => x.Clone().RequireGradient())];
        x.RequireGradient();
        Tensor y = Attention.Causal(x, x, x);
        Tensor same = Attention.Causal(copies[0], copies[1], copies[2]);
        tape.Backward((y, y.Detach()), (same, same.Detach()));
        float[] sum = new float[x.Count];
        foreach (Tensor copy in copies)
        {
            float[] part = copy.Gradient!.ToArray<float>();
            for (int i = 0; i < sum.Length; i++)
            {
                sum[i] += part[i];
            }

            copy.ClearGradient();
        }

        AssertClose(sum, x.Gradient!.ToArray<float>());
        x.ClearGradient();
    }

    public static TheoryData<Shape, Shape, Shape, string> Unfit => new()
    {
        { [1, 2, 8], [1, 2, 1, 8], [1, 2, 1, 8], "attention: q has to be [B, T, H, K], not [1, 2, 8]." },
        { [1, 2, 1, 8], [1, 2, 1, 8], [1, 3, 1, 8], "attention: shapes [1, 2, 1, 8] and [1, 3, 1, 8] differ." },
        {
            [1, 2, 1, 8], [1, 2, 1, 4], [1, 2, 1, 4],
            "attention: q of shape [1, 2, 1, 8] and k of shape [1, 2, 1, 4] differ in batch or head size."
        },
        {
            [1, 2, 3, 8], [1, 2, 2, 8], [1, 2, 2, 8],
            "attention: 3 query heads cannot share 2 key and value heads evenly."
        },
        { [1, 3, 1, 8], [1, 2, 1, 8], [1, 2, 1, 8], "attention: 3 queries are more than 2 keys." },
    };

    [Theory]
    [MemberData(nameof(Unfit), DisableDiscoveryEnumeration = true)]
    public void Shapes_that_do_not_fit_are_refused(Shape q, Shape k, Shape v, string message)
    {
        using var scope = new TensorScope();
        var error = Assert.Throws<TensorException>(
            () => Attention.Causal(Tensor.Zeros(q), Tensor.Zeros(k), Tensor.Zeros(v)));
        Assert.Equal(message, error.Message);
    }

    [Fact]
    public void Options_that_do_not_fit_are_refused()
    {
        using var scope = new TensorScope();
        Tensor x = Tensor.Zeros([1, 5, 1, 8]);
        Assert.Equal(
            "attention: the scale has to be above 0, and 0 is not.",
            Assert.Throws<TensorException>(() => Attention.Causal(x, x, x, new() { Scale = 0 })).Message);
        Assert.Equal(
            "attention: packed sequences of 4 tokens do not fit q of shape [1, 5, 1, 8] and k of shape [1, 5, 1, 8].",
            Assert.Throws<TensorException>(
                () => Attention.Causal(x, x, x, new() { Packed = new PackedSequences([0, 4]) })).Message);
    }

    private static OpCase Case(
        string name,
        int batch,
        int queries,
        int keys,
        int heads,
        int groups,
        int k,
        float? scale = null,
        long[]? packed = null)
    {
        var settings = new Dictionary<string, string>();
        if (scale is { } factor)
        {
            settings["scale"] = factor.ToString(CultureInfo.InvariantCulture);
        }

        if (packed is not null)
        {
            settings["cu_seqlens"] = string.Join(' ', packed);
        }

        return OpCase.Of(
            name,
            Attention.Description,
            [[batch, queries, heads, k], [batch, keys, groups, k], [batch, keys, groups, k]],
            x => [Reference(x, batch, queries, keys, heads, groups, k, scale ?? Math.Pow(k, -0.5), packed ?? [0])]) with
        {
            Settings = settings,
        };
    }

    private static double[] Reference(
        double[][] x, int batch, int queries, int keys, int heads, int groups, int k, double scale, long[] bounds)
    {
        var y = new double[batch * queries * heads * k];
        for (int row = 0; row < y.Length / Math.Max(1, k); row++)
        {
            (int b, int t, int h) = (row / heads / queries, row / heads % queries, row % heads);
            int last = keys - queries + t;
            int first = (int)bounds.Where(bound => bound <= last).Max();
            int Key(int j) => (((b * keys) + j) * groups) + (h / (heads / groups));
            ReadOnlySpan<double> Row(double[] of, int j) => of.AsSpan(Key(j) * k, k);
            ReadOnlySpan<double> query = x[0].AsSpan(row * k, k);
            Span<double> result = y.AsSpan(row * k, k);
            var scores = new double[last + 1 - first];
            for (int j = first; j <= last; j++)
            {
                scores[j - first] = scale * Vectors.Dot(query, Row(x[1], j));
            }

            double max = scores.Max();
            double sum = scores.Sum(score => Math.Exp(score - max));
            for (int j = first; j <= last; j++)
            {
                Vectors.AddScaled(Math.Exp(scores[j - first] - max) / sum, Row(x[2], j), result);
            }
        }

        return y;
    }

    private static (Tensor Q, Tensor K, Tensor V) Inputs(
        int batch, int length, int heads, int groups, int k, Device? device = null)
    {
        Tensor Make(int count, int seed)
        {
            var random = new Random(seed);
            int size = batch * length * count * k;
            float[] values = [.. Enumerable.Range(0, size).Select(_ => (float)OpInput.Normal(random))];
            return Tensor.From(values, [batch, length, count, k], device);
        }

        return (Make(heads, 1), Make(groups, 2), Make(groups, 3));
    }

    private static void AssertClose(float[] wanted, float[] got) =>
        Assert.Equal(wanted, got, (a, b) => Math.Abs(a - b) <= 1e-5f);
}
