using DynConv.Ops;

namespace DynConv.Tests.Ops;

public sealed class StateSpaceDualityTests : OpTests<StateSpaceDualityTests>, IOpCases
{
    private const int Chunk = StateSpaceDuality.ChunkTokens;

    // Steps that change nothing, next to nothing, or much; with rates that make decays near 0 and 1.
    private static readonly double[] ExtremeSteps = [0, 1e-6, 0.3, 1];
    private static readonly double[] ExtremeRates = [-1e-7, -1e-3, -1, -30];

    public static IEnumerable<OpCase> Cases =>
    [
        Make(new Sizes(1, 1, 1, 1, 1, 1), d: true),
        Make(new Sizes(2, 5, 4, 3, 2, 2), d: true, initial: true, final: true),
        Make(new Sizes(1, 74, 2, 3, 1, 7) { Bounds = [0, 1, 1, 66, 74] }, d: true, initial: true, final: true),
        Make(new Sizes(1, (2 * Chunk) + 3, 2, 3, 1, 8), initial: true, final: true),

        // On a card, more columns and rows of a state than a block takes, or heads of a group.
        Make(new Sizes(1, 70, 1, 67, 1, 5), d: true, initial: true, final: true),
        Make(new Sizes(1, 66, 2, 4, 2, 131), initial: true, final: true),
        Make(new Sizes(1, 67, 11, 2, 1, 3), d: true),
        Make(new Sizes(2, 5, 3, 18, 1, 20), final: true),
        Make(new Sizes(3, 2, 2, 131, 1, 1), d: true, initial: true),

        // On a card, rows that begin at multiples of 16 bytes.
        Make(new Sizes(1, 67, 11, 8, 1, 8), d: true),
        Make(new Sizes(2, 66, 2, 8, 1, 72), d: true, initial: true, final: true),
        Make(new Sizes(1, 3, 1, 72, 1, 16), d: true, initial: true, final: true),
        Make(new Sizes(1, 70, 3, 3, 1, 4), d: true, initial: true, final: true, extreme: true),
        Make(new Sizes(2, 3, 1, 0, 1, 2), d: true, initial: true, final: true),
        Make(new Sizes(1, 3, 0, 2, 1, 2), d: true),
        Make(new Sizes(1, 0, 2, 2, 1, 3) { Bounds = [0, 0] }, d: true, initial: true, final: true),
        Make(new Sizes(0, 3, 1, 2, 1, 2), d: true, initial: true),
        Make(new Sizes(1, 3, 1, 1, 1, 300), initial: true, final: true),
    ];

    public static TheoryData<string> Devices => [.. TestDevices.Names.Except([TestDevices.MixedCuda])];

    [Theory]
    [MemberData(nameof(Devices), DisableDiscoveryEnumeration = true)]
    public void Pieces_that_hand_on_their_state_at_the_borders_of_chunks_give_the_bits_of_the_whole(string device)
    {
        using var scope = new TensorScope();
        var inputs = new Inputs(new Sizes(1, (2 * Chunk) + 7, 2, 3, 1, 6), device);
        float[][] whole = inputs.Pass([inputs.Time]);
        foreach (float[][] pieces in new[] { inputs.Pass([Chunk, Chunk, 7]), inputs.Pass([2 * Chunk, 7]) })
        {
            // Sums over all tokens are added up piece by piece.
            foreach (int i in Enumerable.Range(0, whole.Length).Except(Inputs.RateResults))
            {
                Assert.Equal(whole[i], pieces[i]);
            }

            AssertClose(inputs.Type, whole, pieces);
        }
    }

    [Theory]
    [MemberData(nameof(Devices), DisableDiscoveryEnumeration = true)]
    public void Pieces_of_any_length_give_the_whole(string device)
    {
        using var scope = new TensorScope();
        var inputs = new Inputs(new Sizes(1, Chunk + 9, 4, 3, 2, 6), device);
        AssertClose(inputs.Type, inputs.Pass([inputs.Time]), inputs.Pass([3, 0, 1, Chunk, 1, 1, 3]));
    }

    [Theory]
    [MemberData(nameof(Devices), DisableDiscoveryEnumeration = true)]
    public void Packed_sequences_are_as_if_each_stood_alone(string device)
    {
        using var scope = new TensorScope();
        long[] bounds = [0, 3, 3, Chunk + 4, Chunk + 9];
        var inputs = new Inputs(new Sizes(1, bounds[^1], 4, 3, 2, 6) { Bounds = bounds }, device);
        float[][] packed = inputs.Pass([inputs.Time]);
        float[][] sums = [.. Inputs.RateResults.Select(i => new float[packed[i].Length])];
        for (int n = 0; n < bounds.Length - 1; n++)
        {
            float[][] alone = inputs.Sequence(n).Pass([bounds[n + 1] - bounds[n]]);
            foreach (int i in Enumerable.Range(0, alone.Length).Except(Inputs.RateResults))
            {
                // States lie by sequence, all else by token.
                long start = i >= alone.Length - Inputs.StateResults ? n : bounds[n];
                long count = i >= alone.Length - Inputs.StateResults ? bounds.Length - 1 : bounds[^1];
                Assert.Equal(alone[i], packed[i].AsSpan((int)(packed[i].Length / count * start), alone[i].Length));
            }

            sums = [.. sums.Zip(Inputs.RateResults, (sum, i) => sum.Zip(alone[i], static (x, y) => x + y).ToArray())];
        }

        AssertClose(DType.Float32, [.. Inputs.RateResults.Select(i => packed[i])], sums);
    }

    [Theory]
    [MemberData(nameof(Devices), DisableDiscoveryEnumeration = true)]
    public void A_decay_of_zero_forgets_all_that_came_before(string device)
    {
        using var scope = new TensorScope();
        var inputs = new Inputs(new Sizes(1, 9, 1, 2, 1, 3), device, forgetAt: 4);
        float[][] whole = inputs.Pass([9]);
        float[][] behind = inputs.Part(4, 5).Pass([5]);

        Assert.All([.. whole, .. behind], values => Assert.All(values, value => Assert.True(float.IsFinite(value))));
        Assert.All(behind[^1], value => Assert.Equal(0, value));
        Assert.Equal(behind[0], whole[0].AsSpan(4 * 2, 5 * 2));
    }

    [Theory]
    [MemberData(nameof(Devices), DisableDiscoveryEnumeration = true)]
    public void A_step_of_zero_leaves_the_state_as_it_is(string device)
    {
        using var scope = new TensorScope();
        var inputs = new Inputs(new Sizes(1, Chunk + 3, 2, 2, 1, 3), device, steps: 0);
        Assert.Equal(inputs.InitialState, inputs.Pass([inputs.Time])[^Inputs.StateResults]);
    }

    [Theory]
    [MemberData(nameof(Devices), DisableDiscoveryEnumeration = true)]
    public void Gradients_through_either_result_alone_add_up_to_those_through_both(string device)
    {
        using var scope = new TensorScope();
        var inputs = new Inputs(new Sizes(1, 7, 2, 2, 1, 3), device);
        float[][] both = inputs.Pass([7]);
        float[][] result = inputs.Pass([7], throughState: false);
        float[][] state = inputs.Pass([7], throughResult: false);
        int[] gradients = [.. Enumerable.Range(0, both.Length).Where(i => i != 0 && i != both.Length - Inputs.StateResults)];
        AssertClose(
            inputs.Type,
            [.. gradients.Select(i => both[i])],
            [.. gradients.Select(i => result[i].Zip(state[i], static (x, y) => x + y).ToArray())]);
    }

    [Fact]
    public void What_does_not_fit_is_refused()
    {
        using var scope = new TensorScope();
        Tensor x = Tensor.Zeros([1, 5, 4, 6]);
        Tensor dt = Tensor.Zeros([1, 5, 4]);
        Tensor a = Tensor.Zeros([4]);
        Tensor b = Tensor.Zeros([1, 5, 2, 3]);
        Refused("x has to be [B, T, H, P], not [1, 5, 4].", () => StateSpaceDuality.Apply(dt, dt, a, b, b));
        Refused("shapes [1, 5, 2, 3] and [1, 5, 2, 4] differ.", () => StateSpaceDuality.Apply(x, dt, a, b, Tensor.Zeros([1, 5, 2, 4])));
        Tensor three = Tensor.Zeros([1, 5, 3, 3]);
        Refused("4 heads cannot share 3 groups evenly.", () => StateSpaceDuality.Apply(x, dt, a, three, three));
        Tensor shorter = Tensor.Zeros([1, 4, 2, 3]);
        Refused(
            "x of shape [1, 5, 4, 6] and b of shape [1, 4, 2, 3] differ in batch or tokens.",
            () => StateSpaceDuality.Apply(x, dt, a, shorter, shorter));
        Tensor empty = Tensor.Zeros([1, 5, 2, 0]);
        Refused(
            "b of shape [1, 5, 2, 0] makes states without elements; one at least is needed.",
            () => StateSpaceDuality.Apply(x, dt, a, empty, empty));
        Refused(
            "dt has to be [B, T, H], which is [1, 5, 4] for x [1, 5, 4, 6], and is [1, 5, 2].",
            () => StateSpaceDuality.Apply(x, Tensor.Zeros([1, 5, 2]), a, b, b));
        Refused(
            "a has to be [H], which is [4] for x [1, 5, 4, 6], and is [2].", () => StateSpaceDuality.Apply(x, dt, Tensor.Zeros([2]), b, b));
        Refused(
            "D has to be [H], which is [4] for x [1, 5, 4, 6], and is [1].",
            () => StateSpaceDuality.Apply(x, dt, a, b, b, new() { D = Tensor.Zeros([1]) }));
        Refused(
            "initialState has to be [1, 4, 6, 3] for x [1, 5, 4, 6] and b [1, 5, 2, 3], and is [1, 4, 3, 6].",
            () => StateSpaceDuality.Apply(x, dt, a, b, b, new() { InitialState = Tensor.Zeros([1, 4, 3, 6]) }));
        Refused("float32 is needed, not bfloat16.", () => StateSpaceDuality.Apply(x, dt.To(DType.BFloat16), a, b, b));
        Refused(
            "tensors hold float32 and bfloat16; one type is needed.",
            () => StateSpaceDuality.Apply(x, dt, a, b.To(DType.BFloat16), b.To(DType.BFloat16)));
        using var packed = new PackedSequences([0, 6]);
        Refused(
            "packed sequences need a batch of 1 with their 6 tokens, and x is [1, 5, 4, 6].",
            () => StateSpaceDuality.Apply(x, dt, a, b, b, new() { Packed = packed }));

        static void Refused(string problem, Action action) =>
            Assert.Equal($"ssd: {problem}", Assert.Throws<TensorException>(action).Message);
    }

    // An input of bfloat16 has a gradient of bfloat16, which differs by its last bit where float32 differs at all.
    private static void AssertClose(DType type, float[][] wanted, float[][] got)
    {
        double tolerance = type == DType.BFloat16 ? 1e-2 : 1e-5;
        foreach ((float[] x, float[] y) in wanted.Zip(got))
        {
            Assert.Equal(x.Length, y.Length);
            float largest = x.Max(MathF.Abs);
            Assert.All(x.Zip(y), pair => Assert.InRange(Math.Abs(pair.First - pair.Second), 0, tolerance * largest));
        }
    }

    private static OpCase Make(Sizes sizes, bool d = false, bool initial = false, bool final = false, bool extreme = false)
    {
        var settings = new Dictionary<string, string> { ["final_state"] = final ? "true" : "false" };
        if (sizes.Bounds is { } bounds)
        {
            settings["cu_seqlens"] = string.Join(' ', bounds);
        }

        string name = sizes + (d ? ", D" : "") + (initial ? ", initial state" : "") + (final ? ", final state" : "")
            + (extreme ? ", extreme decays" : "");
        OpCase one = OpCase.Of(
            name,
            StateSpaceDuality.Description,
            [sizes.X, sizes.Steps, [sizes.H], sizes.Groups, sizes.Groups, d ? [sizes.H] : null, initial ? sizes.States : null],
            x => Reference(sizes, x[0], x[1], x[2], x[3], x[4], d ? x[5] : null, initial ? x[^1] : null, final));
        return (one with { Settings = settings })
            .With("dt", input => input with
            {
                Draw = random => extreme ? ExtremeSteps[random.Next(ExtremeSteps.Length)] : 0.5 * random.NextDouble(),
            })
            .With("a", input => input with
            {
                Draw = random => extreme ? ExtremeRates[random.Next(ExtremeRates.Length)] : -2 * random.NextDouble(),
            });
    }

    private static double[][] Reference(
        Sizes sizes, double[] x, double[] dt, double[] a, double[] b, double[] c, double[]? d, double[]? initial, bool final)
    {
        var y = new double[x.Length];
        double[] last = initial is null ? new double[sizes.States.Count] : (double[])initial.Clone();
        for (long n = 0; n < sizes.Sequences; n++)
        {
            (long start, long end) = sizes.Bounds is { } bounds ? (bounds[n], bounds[n + 1]) : (n * sizes.T, (n + 1) * sizes.T);
            for (long h = 0; h < sizes.H; h++)
            {
                Span<double> state = last.AsSpan((int)(((n * sizes.H) + h) * sizes.P * sizes.N), (int)(sizes.P * sizes.N));
                for (long token = start; token < end; token++)
                {
                    long at = (token * sizes.H) + h;
                    long row = ((token * sizes.G) + (h / (sizes.H / sizes.G))) * sizes.N;
                    double decay = Math.Exp(dt[at] * a[h]);
                    for (int p = 0; p < sizes.P; p++)
                    {
                        double input = x[(at * sizes.P) + p];
                        double sum = (d?[h] ?? 0) * input;
                        for (int i = 0; i < sizes.N; i++)
                        {
                            int place = (int)((p * sizes.N) + i);
                            state[place] = (decay * state[place]) + (dt[at] * input * b[row + i]);
                            sum += state[place] * c[row + i];
                        }

                        y[(at * sizes.P) + p] = sum;
                    }
                }
            }
        }

        return final ? [y, last] : [y];
    }

    private sealed record Sizes(long B, long T, long H, long P, long G, long N)
    {
        public long[]? Bounds { get; init; }

        public long Sequences => Bounds?.Length - 1 ?? B;

        public Shape X => [B, T, H, P];

        public Shape Steps => [B, T, H];

        public Shape Groups => [B, T, G, N];

        public Shape States => [Sequences, H, P, N];

        public override string ToString() =>
            $"x {X}, b {Groups}{(Bounds is null ? "" : $" packed [{string.Join(", ", Bounds)}]")}";
    }

    /// <summary>Inputs and the gradients of both results.</summary>
    private sealed class Inputs
    {
        /// <summary>Results and gradients that are states: the last of those of <see cref="Pass"/>.</summary>
        public const int StateResults = 2;

        private readonly Tensor[] _tokens;
        private readonly Tensor[] _rates;
        private readonly Tensor _dy;
        private readonly Tensor _state;
        private readonly Tensor _dState;
        private readonly long[]? _bounds;

        public Inputs(Sizes sizes, string device, int? forgetAt = null, float steps = 1)
        {
            _bounds = sizes.Bounds;
            Type = TestDevices.TypeOf(device, isParameter: false);
            Device on = TestDevices.Get(device);
            var random = new Random(3);
            float[] drawn = [.. Enumerable.Range(0, (int)sizes.Steps.Count).Select(i => i == forgetAt ? 1e4f : steps * random.NextSingle())];
            Tensor dt = Tensor.From(drawn, sizes.Steps, on);
            _tokens = [Draw(sizes.X, Type), dt, Draw(sizes.Groups, Type), Draw(sizes.Groups, Type)];
            Tensor a = Tensor.From([.. Enumerable.Range(0, (int)sizes.H).Select(_ => -0.5f - random.NextSingle())], [sizes.H], on);
            _rates = [a, Draw([sizes.H], DType.Float32)];
            _dy = Draw(sizes.X, Type);
            _state = Draw(sizes.States, DType.Float32);
            _dState = Draw(sizes.States, DType.Float32);

            Tensor Draw(Shape shape, DType type) =>
                Tensor.From([.. Enumerable.Range(0, (int)shape.Count).Select(_ => (float)OpInput.Normal(random))], shape, on).To(type);
        }

        private Inputs(Inputs other, long start, long length, int? sequence)
        {
            Type = other.Type;
            _rates = other._rates;
            _tokens = [.. other._tokens.Select(tensor => tensor.Slice(1, start, length))];
            _dy = other._dy.Slice(1, start, length);
            _state = other._state.Slice(0, sequence ?? 0, sequence is null ? other._state.Shape[0] : 1);
            _dState = other._dState.Slice(0, sequence ?? 0, sequence is null ? other._state.Shape[0] : 1);
        }

        /// <summary>Gradients that are sums over all tokens, of those that <see cref="Pass"/> gives.</summary>
        public static int[] RateResults { get; } = [5, 6];

        public DType Type { get; }

        public long Time => _dy.Shape[1];

        public float[] InitialState => Floats(_state);

        public Inputs Part(long start, long length) => new(this, start, length, null);

        public Inputs Sequence(int n) => new(this, _bounds![n], _bounds[n + 1] - _bounds[n], n);

        /// <summary>y, the gradients of x, dt, b, c, a and D, the final state, and the gradient of the initial one.</summary>
        public float[][] Pass(long[] lengths, bool throughResult = true, bool throughState = true)
        {
            using var scope = new TensorScope();
            using var tape = new Tape();
            using PackedSequences? packed = _bounds is null ? null : new PackedSequences(_bounds);
            Tensor[] leaves = [.. _tokens.Concat(_rates).Append(_state).Select(tensor => tensor.Clone().RequireGradient())];
            (Tensor a, Tensor d, Tensor state) = (leaves[^3], leaves[^2], leaves[^1]);
            var results = new List<(Tensor, Tensor)>();
            long start = 0;
            foreach (long length in lengths)
            {
                Tensor[] piece = [.. leaves[.._tokens.Length].Select(tensor => tensor.Slice(1, start, length))];
                (Tensor y, state) = StateSpaceDuality.ApplyWithState(
                    piece[0], piece[1], a, piece[2], piece[3], new() { D = d, InitialState = state, Packed = packed });
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
