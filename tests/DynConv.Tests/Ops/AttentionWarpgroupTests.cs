using DynConv.Ops;

namespace DynConv.Tests.Ops;

/// <summary>
/// The kernels of compute capability 9.0 and those of older cards, both against the CPU on the same rounded inputs: heads that both
/// take, over several tiles of queries and keys.
/// </summary>
public sealed class AttentionWarpgroupTests
{
    // y and the gradients are rounded to 8 bits in the end, and so are probabilities and score gradients on the way; errors are
    // relative to the largest number of a tensor.
    private const double Tolerance = 1.0 / 128;

    public static TheoryData<string, int, int, int, int, int, int, long[]?> Shapes => new()
    {
        { "three tiles of queries", 1, 300, 300, 2, 1, 64, null },
        { "more keys than queries", 2, 70, 300, 2, 2, 40, null },
        { "large heads", 1, 260, 260, 2, 1, 128, null },
        { "packed", 1, 420, 420, 1, 1, 64, [0, 128, 128, 129, 300, 420] },
    };

    [Theory]
    [MemberData(nameof(Shapes), DisableDiscoveryEnumeration = true)]
    public void Results_and_gradients_are_those_of_the_cpu(
        string name, int batch, int queries, int keys, int heads, int groups, int k, long[]? bounds)
    {
        Device card = Hopper();
        float[][] inputs =
        [
            Numbers(batch * queries * heads * k, 1, 2), Numbers(batch * keys * groups * k, 2, 1), Numbers(batch * keys * groups * k, 3, 1),
            Numbers(batch * queries * heads * k, 4, 1),
        ];
        Shape[] shapes = [[batch, queries, heads, k], [batch, keys, groups, k], [batch, keys, groups, k], [batch, queries, heads, k]];
        float[][] wanted = Run(Device.Cpu, DType.Float32);
        foreach (bool older in new[] { false, true })
        {
            float[][] got = [];
            if (older)
            {
                AttentionWarpgroups.LeaveOut(() => got = Run(card, DType.BFloat16));
            }
            else
            {
                got = Run(card, DType.BFloat16);
                Assert.Equal(got, Run(card, DType.BFloat16));
            }

            for (int i = 0; i < wanted.Length; i++)
            {
                double largest = wanted[i].Max(Math.Abs);
                double error = wanted[i].Zip(got[i]).Max(pair => Math.Abs(pair.First - pair.Second)) / largest;
                Assert.True(error <= Tolerance, $"{name}, older kernels {older}, {"y dq dk dv".Split()[i]}: {error}");
            }
        }

        float[][] Run(Device device, DType dtype)
        {
            using var scope = new TensorScope();
            using var tape = new Tape();
            Tensor[] x = [.. inputs.Zip(shapes, (numbers, shape) => Tensor.From(numbers, shape, device).To(dtype))];
            Tensor[] leaves = [.. x.Take(3).Select(tensor => tensor.RequireGradient())];
            using PackedSequences? packed = bounds is null ? null : new PackedSequences(bounds);
            Tensor y = Attention.Causal(leaves[0], leaves[1], leaves[2], new() { Packed = packed });
            tape.Backward(y, x[3]);
            float[][] results = [.. leaves.Select(leaf => leaf.Gradient!).Prepend(y).Select(tensor => tensor.To(DType.Float32).ToArray<float>())];
            foreach (Tensor leaf in leaves)
            {
                leaf.ClearGradient();
            }

            return results;
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void A_gradient_that_nobody_wants_is_left_out_and_the_others_are_the_same(int frozen)
    {
        Device card = Hopper();
        float[]?[] all = Gradients(-1);
        float[]?[] some = Gradients(frozen);
        for (int i = 0; i < all.Length; i++)
        {
            Assert.Equal(i == frozen ? null : all[i], some[i]);
        }

        float[]?[] Gradients(int without)
        {
            using var scope = new TensorScope();
            using var tape = new Tape();
            Tensor[] x = [.. Enumerable.Range(0, 3).Select(i => Tensor.From(Numbers(140 * 64, i, 1), [1, 140, 1, 64], card).To(DType.BFloat16))];
            for (int i = 0; i < x.Length; i++)
            {
                if (i != without)
                {
                    x[i].RequireGradient();
                }
            }

            Tensor y = Attention.Causal(x[0], x[1], x[2]);
            tape.Backward(y, y.Detach());
            float[]?[] gradients = [.. x.Select(tensor => tensor.Gradient?.To(DType.Float32).ToArray<float>())];
            foreach (Tensor tensor in x)
            {
                tensor.ClearGradient();
            }

            return gradients;
        }
    }

    [Theory]
    [InlineData(64, false)]
    [InlineData(128, true)]
    public void Rotary_positions_are_those_of_the_op(int k, bool packed)
    {
        Device card = Hopper();
        const int Tokens = 150;
        const int Heads = 2;
        Shape shape = [1, Tokens, Heads, k];
        float[][] wanted = Run(Device.Cpu, DType.Float32, fused: false);
        float[][] got = Run(card, DType.BFloat16, fused: true);
        for (int i = 0; i < wanted.Length; i++)
        {
            double error = wanted[i].Zip(got[i]).Max(pair => Math.Abs(pair.First - pair.Second)) / wanted[i].Max(Math.Abs);
            Assert.True(error <= 2 * Tolerance, $"{"y dq dk dv".Split()[i]}: {error}");
        }

        // Turned queries and keys are rounded once more than those of the CPU.
        float[][] Run(Device device, DType dtype, bool fused)
        {
            using var scope = new TensorScope();
            using var tape = new Tape();
            using var table = new RopeTable(100, k, Tokens + 3, device);
            using PackedSequences? sequences = packed ? new PackedSequences([0, 20, Tokens]) : null;
            using TokenPositions positions = sequences is null ? new([3], Tokens) : new(sequences);
            Tensor[] x = [.. Enumerable.Range(0, 4).Select(i => Tensor.From(Numbers((int)shape.Count, i, 1), shape, device).To(dtype))];
            Tensor[] leaves = [.. x.Take(3).Select(tensor => tensor.RequireGradient())];
            Tensor y = fused
                ? Attention.Causal(leaves[0], leaves[1], leaves[2], new() { Packed = sequences, Rotary = new(table, positions) })
                : Attention.Causal(
                    Rope.Apply(leaves[0], table, positions), Rope.Apply(leaves[1], table, positions), leaves[2], new() { Packed = sequences });
            tape.Backward(y, x[3]);
            float[][] results = [.. leaves.Select(leaf => leaf.Gradient!).Prepend(y).Select(tensor => tensor.To(DType.Float32).ToArray<float>())];
            foreach (Tensor leaf in leaves)
            {
                leaf.ClearGradient();
            }

            return results;
        }
    }

    private static Device Hopper()
    {
        Assert.SkipUnless(TestDevices.Names.Any(name => name.StartsWith("cuda", StringComparison.Ordinal)), "There is no card.");
        Device card = Device.Cuda();
        Assert.SkipUnless(card.Context.Architecture == 90, "These kernels are of compute capability 9.0.");
        return card;
    }

    /// <summary>Numbers that bfloat16 holds as they are.</summary>
    private static float[] Numbers(int count, int seed, float scale)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => MathF.Round((float)OpInput.Normal(random) * scale * 32) / 32)];
    }
}
