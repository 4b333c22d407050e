using DynConv.Ops;

namespace DynConv.Tests.Ops;

public sealed class GatedDeltaRuleTests : OpTests<GatedDeltaRuleTests>, IOpCases
{
    private const int Chunk = GatedDeltaRule.ChunkTokens;

    // Decays near 0 and 1; nothing, almost nothing, all and twice as much corrected.
    private static readonly double[] ExtremeDecays = [0, -1e-7, -1e-3, -30, -90, -1000];
    private static readonly double[] ExtremeRates = [0, 1e-6, 1, 2];

    public static IEnumerable<OpCase> Cases =>
    [
        Make(new Sizes(1, 1, 1, 1, 1, 1)),
        Make(new Sizes(2, 5, 1, 2, 3, 2), initial: true, final: true),
        Make(new Sizes(1, 74, 1, 2, 7, 3) { Bounds = [0, 1, 1, 66, 74] }, initial: true, final: true),
        Make(new Sizes(1, (2 * Chunk) + 3, 1, 1, 8, 3), initial: true, final: true),
        Make(new Sizes(2, 5, 1, 3, 20, 18), final: true),

        // On a card, more blocks than run at once.
        Make(new Sizes(3, 2, 1, 2, 1, 131), initial: true, final: true),
        Make(new Sizes(1, Chunk + 1, 2, 2, 5, 4), initial: true),
        Make(new Sizes(1, 70, 1, 1, 4, 3), initial: true, final: true, extreme: true),
        Make(new Sizes(2, 3, 1, 1, 2, 0)),
        Make(new Sizes(1, 0, 1, 1, 3, 2) { Bounds = [0, 0] }, initial: true, final: true),
        Make(new Sizes(0, 3, 1, 1, 2, 2), initial: true),
        Make(new Sizes(1, 3, 1, 1, 300, 1), initial: true),
    ];

    public static TheoryData<string> Devices => [.. TestDevices.Names.Except([TestDevices.MixedCuda])];

    [Theory]
    [MemberData(nameof(Devices), DisableDiscoveryEnumeration = true)]
    public void Pieces_that_hand_on_their_state_at_the_borders_of_chunks_give_the_bits_of_the_whole(string device)
    {
        using var scope = new TensorScope();
        var inputs = new Inputs(new Sizes(1, (2 * Chunk) + 7, 1, 2, 6, 3), device);
        float[][] whole = inputs.Pass([inputs.Time]);

        Assert.Equal(whole, inputs.Pass([Chunk, Chunk, 7]));
        Assert.Equal(whole, inputs.Pass([2 * Chunk, 7]));
    }

    [Theory]
    [MemberData(nameof(Devices), DisableDiscoveryEnumeration = true)]
    public void Pieces_of_any_length_give_the_whole(string device)
    {
        using var scope = new TensorScope();
        var inputs = new Inputs(new Sizes(1, Chunk + 9, 1, 2, 6, 3), device);
        float[][] whole = inputs.Pass([inputs.Time]);
        float[][] pieces = inputs.Pass([3, 0, 1, Chunk, 1, 1, 3]);

        // An input of bfloat16 has a gradient of bfloat16, which differs by its last bit where float32 differs at all.
        double tolerance = inputs.Type == DType.BFloat16 ? 1e-2 : 1e-5;
        foreach ((float[] wanted, float[] got) in whole.Zip(pieces))
        {
            float largest = wanted.Max(MathF.Abs);
            Assert.All(wanted.Zip(got), pair => Assert.InRange(Math.Abs(pair.First - pair.Second), 0, tolerance * largest));
        }
    }

    [Theory]
    [MemberData(nameof(Devices), DisableDiscoveryEnumeration = true)]
    public void Packed_sequences_are_as_if_each_stood_alone(string device)
    {
        using var scope = new TensorScope();
        long[] bounds = [0, 3, 3, Chunk + 4, Chunk + 9];
        var inputs = new Inputs(new Sizes(1, bounds[^1], 1, 2, 6, 3) { Bounds = bounds }, device);
        float[][] packed = inputs.Pass([inputs.Time]);
        for (int n = 0; n < bounds.Length - 1; n++)
        {
            float[][] alone = inputs.Sequence(n).Pass([bounds[n + 1] - bounds[n]]);
            for (int i = 0; i < alone.Length; i++)
            {
                // States lie by sequence, all else by token.
                long start = i >= alone.Length - Inputs.StateResults ? n : bounds[n];
                long count = i >= alone.Length - Inputs.StateResults ? bounds.Length - 1 : bounds[^1];
                Assert.Equal(alone[i], packed[i].AsSpan((int)(packed[i].Length / count * start), alone[i].Length));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Devices), DisableDiscoveryEnumeration = true)]
    public void A_decay_of_zero_forgets_all_that_came_before(string device)
    {
        using var scope = new TensorScope();
        var inputs = new Inputs(new Sizes(1, 9, 1, 1, 3, 2), device, forgetAt: 4);
        float[][] whole = inputs.Pass([9]);
        float[][] behind = inputs.Part(4, 5).Pass([5]);

        Assert.All([.. whole, .. behind], values => Assert.All(values, value => Assert.True(float.IsFinite(value))));
        Assert.All(behind[^1], value => Assert.Equal(0, value));
        Assert.Equal(behind[0], whole[0].AsSpan(4 * 2, 5 * 2));
    }

    [Theory]
    [MemberData(nameof(Devices), DisableDiscoveryEnumeration = true)]
    public void Gradients_through_either_result_alone_add_up_to_those_through_both(string device)
    {
        using var scope = new TensorScope();
        var inputs = new Inputs(new Sizes(1, 7, 1, 2, 3, 2), device);
        float[][] both = inputs.Pass([7]);
        float[][] result = inputs.Pass([7], throughState: false);
        float[][] state = inputs.Pass([7], throughResult: false);
        double tolerance = inputs.Type == DType.BFloat16 ? 1e-2 : 1e-5;
        foreach (int i in Enumerable.Range(0, both.Length).Where(i => i != 0 && i != both.Length - Inputs.StateResults))
        {
            double largest = both[i].Max(MathF.Abs);
            Assert.All(Enumerable.Range(0, both[i].Length), at => Assert.InRange(Math.Abs(both[i][at] - result[i][at] - state[i][at]), 0, tolerance * largest));
        }
    }

    [Fact]
    public void What_does_not_fit_is_refused()
    {
        using var scope = new TensorScope();
        Tensor q = Tensor.Zeros([1, 5, 2, 3]);
        Tensor v = Tensor.Zeros([1, 5, 4, 6]);
        Tensor gate = Tensor.Zeros([1, 5, 4]);
        Refused("shapes [1, 5, 2, 3] and [1, 5, 2, 4] differ.", () => GatedDeltaRule.Apply(q, Tensor.Zeros([1, 5, 2, 4]), v, gate, gate));
        Refused("3 value heads cannot share 2 query and key heads evenly.", () => GatedDeltaRule.Apply(q, q, Tensor.Zeros([1, 5, 3, 6]), gate, gate));
        Refused(
            "q of shape [1, 5, 2, 3] and v of shape [1, 4, 4, 6] differ in batch or tokens.",
            () => GatedDeltaRule.Apply(q, q, Tensor.Zeros([1, 4, 4, 6]), gate, gate));
        Refused(
            "q of shape [1, 5, 2, 0] has heads without channels; one at least is needed.",
            () => GatedDeltaRule.Apply(Tensor.Zeros([1, 5, 2, 0]), Tensor.Zeros([1, 5, 2, 0]), v, gate, gate));
        Refused(
            "beta has to be [B, T, Hv], which is [1, 5, 4] for v [1, 5, 4, 6], and is [1, 5, 2].",
            () => GatedDeltaRule.Apply(q, q, v, gate, Tensor.Zeros([1, 5, 2])));
        Refused(
            "initialState has to be [1, 4, 3, 6] for q [1, 5, 2, 3] and v [1, 5, 4, 6], and is [1, 4, 6, 3].",
            () => GatedDeltaRule.Apply(q, q, v, gate, gate, new() { InitialState = Tensor.Zeros([1, 4, 6, 3]) }));
        Refused("float32 is needed, not bfloat16.", () => GatedDeltaRule.Apply(q, q, v, gate.To(DType.BFloat16), gate));
        using var packed = new PackedSequences([0, 6]);
        Refused(
            "packed sequences need a batch of 1 with their 6 tokens, and q is [1, 5, 2, 3].",
            () => GatedDeltaRule.Apply(q, q, v, gate, gate, new() { Packed = packed }));

        static void Refused(string problem, Action action) =>
            Assert.Equal($"gated_delta_rule: {problem}", Assert.Throws<TensorException>(action).Message);
    }

    private static OpCase Make(Sizes sizes, bool initial = false, bool final = false, bool extreme = false)
    {
        var settings = new Dictionary<string, string> { ["final_state"] = final ? "true" : "false" };
        if (sizes.Bounds is { } bounds)
        {
            settings["cu_seqlens"] = string.Join(' ', bounds);
        }

        double size = 1 / Math.Sqrt(sizes.K);
        string name = $"{sizes}{(initial ? ", initial state" : "")}{(final ? ", final state" : "")}{(extreme ? ", extreme gates" : "")}";
        OpCase one = OpCase.Of(
            name,
            GatedDeltaRule.Description,
            [sizes.Q, sizes.Q, sizes.Values, sizes.Gates, sizes.Gates, initial ? sizes.States : null],
            x => Reference(sizes, x, final));
        return (one with { Settings = settings })
            .With("k", input => input with { Draw = random => size * ((2 * random.NextDouble()) - 1) })
            .With("g", input => input with
            {
                Draw = random => extreme ? ExtremeDecays[random.Next(ExtremeDecays.Length)] : -0.3 * Math.Abs(OpInput.Normal(random)),
            })
            .With("beta", input => input with
            {
                Draw = random => extreme ? ExtremeRates[random.Next(ExtremeRates.Length)] : random.NextDouble(),
            });
    }

    private static double[][] Reference(Sizes sizes, double[][] x, bool final)
    {
        (double[] q, double[] k, double[] v, double[] g, double[] beta) = (x[0], x[1], x[2], x[3], x[4]);
        var y = new double[v.Length];
        var last = new double[sizes.States.Count];
        if (x.Length > 5)
        {
            x[5].CopyTo(last, 0);
        }

        for (long n = 0; n < sizes.Sequences; n++)
        {
            (long start, long end) = sizes.Bounds is { } bounds ? (bounds[n], bounds[n + 1]) : (n * sizes.T, (n + 1) * sizes.T);
            for (long h = 0; h < sizes.Hv; h++)
            {
                Span<double> state = last.AsSpan((int)(((n * sizes.Hv) + h) * sizes.K * sizes.V), (int)(sizes.K * sizes.V));
                for (long token = start; token < end; token++)
                {
                    long at = (token * sizes.Hv) + h;
                    long row = ((token * sizes.H) + (h / (sizes.Hv / sizes.H))) * sizes.K;
                    for (int c = 0; c < sizes.V; c++)
                    {
                        double stored = 0;
                        for (int i = 0; i < sizes.K; i++)
                        {
                            state[(int)((i * sizes.V) + c)] *= Math.Exp(g[at]);
                            stored += state[(int)((i * sizes.V) + c)] * k[row + i];
                        }

                        double correction = beta[at] * (v[(at * sizes.V) + c] - stored);
                        for (int i = 0; i < sizes.K; i++)
                        {
                            state[(int)((i * sizes.V) + c)] += k[row + i] * correction;
                            y[(at * sizes.V) + c] += state[(int)((i * sizes.V) + c)] * q[row + i] / Math.Sqrt(sizes.K);
                        }
                    }
                }
            }
        }

        return final ? [y, last] : [y];
    }

    private sealed record Sizes(long B, long T, long H, long Hv, long K, long V)
    {
        public long[]? Bounds { get; init; }

        public long Sequences => Bounds?.Length - 1 ?? B;

        public Shape Q => [B, T, H, K];

        public Shape Values => [B, T, Hv, V];

        public Shape Gates => [B, T, Hv];

        public Shape States => [Sequences, Hv, K, V];

        public override string ToString() =>
            $"q {Q}, v {Values}{(Bounds is null ? "" : $" packed [{string.Join(", ", Bounds)}]")}";
    }

    /// <summary>Inputs and the gradients of both results.</summary>
    private sealed class Inputs
    {
        /// <summary>Results and gradients that are states: the last of those of <see cref="Pass"/>.</summary>
        public const int StateResults = 2;

        private readonly Tensor[] _tokens;
        private readonly Tensor _dy;
        private readonly Tensor _state;
        private readonly Tensor _dState;
        private readonly long[]? _bounds;

        public Inputs(Sizes sizes, string device, int? forgetAt = null)
        {
            _bounds = sizes.Bounds;
            Type = TestDevices.TypeOf(device, isParameter: false);
            Device on = TestDevices.Get(device);
            var random = new Random(3);
            _tokens = [Draw(sizes.Q, Type, 1), Draw(sizes.Q, Type, 0.3), Draw(sizes.Values, Type, 1), Gates(-1, forgetAt), Gates(1, null)];
            _dy = Draw(sizes.Values, Type, 1);
            _state = Draw(sizes.States, DType.Float32, 1);
            _dState = Draw(sizes.States, DType.Float32, 1);

            Tensor Draw(Shape shape, DType type, double size) =>
                Tensor.From([.. Enumerable.Range(0, (int)shape.Count).Select(_ => (float)(size * OpInput.Normal(random)))], shape, on).To(type);

            Tensor Gates(float factor, int? forget) => Tensor.From(
                [.. Enumerable.Range(0, (int)sizes.Gates.Count).Select(i => i == forget ? float.NegativeInfinity : factor * random.NextSingle())], sizes.Gates, on);
        }

        private Inputs(Inputs other, long start, long length, int? sequence)
        {
            Type = other.Type;
            _tokens = [.. other._tokens.Select(tensor => tensor.Slice(1, start, length))];
            _dy = other._dy.Slice(1, start, length);
            _state = other._state.Slice(0, sequence ?? 0, sequence is null ? other._state.Shape[0] : 1);
            _dState = other._dState.Slice(0, sequence ?? 0, sequence is null ? other._state.Shape[0] : 1);
        }

        public DType Type { get; }

        public long Time => _dy.Shape[1];

        public Inputs Part(long start, long length) => new(this, start, length, null);

        public Inputs Sequence(int n) => new(this, _bounds![n], _bounds[n + 1] - _bounds[n], n);

        /// <summary>y, the gradients of q, k, v, g and beta, the final state, and the gradient of the initial one.</summary>
        public float[][] Pass(long[] lengths, bool throughResult = true, bool throughState = true)
        {
            using var scope = new TensorScope();
            using var tape = new Tape();
            using PackedSequences? packed = _bounds is null ? null : new PackedSequences(_bounds);
            Tensor[] leaves = [.. _tokens.Append(_state).Select(tensor => tensor.Clone().RequireGradient())];
            var results = new List<(Tensor, Tensor)>();
            Tensor state = leaves[^1];
            long start = 0;
            foreach (long length in lengths)
            {
                Tensor[] piece = [.. leaves[..^1].Select(tensor => tensor.Slice(1, start, length))];
                (Tensor y, state) = GatedDeltaRule.ApplyWithState(
                    piece[0], piece[1], piece[2], piece[3], piece[4], new() { InitialState = state, Packed = packed });
                results.Add((y, _dy.Slice(1, start, length)));
                start += length;
            }

            float[] whole = Floats(Concatenation.Apply(1, [.. results.Select(pair => pair.Item1.Detach())]));
            float[] final = Floats(state);
            tape.Backward([.. throughResult ? results : [], .. throughState ? [(state, _dState)] : Array.Empty<(Tensor, Tensor)>()]);
            float[][] gradients = [.. leaves.Select(leaf => Floats(leaf.Gradient!))];
            Array.ForEach(leaves, leaf => leaf.ClearGradient());
            return [whole, .. gradients[..^1], final, gradients[^1]];
        }

        private static float[] Floats(Tensor tensor) => tensor.To(DType.Float32).ToArray<float>();
    }
}
