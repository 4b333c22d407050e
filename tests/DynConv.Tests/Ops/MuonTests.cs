using DynConv.Ops;

namespace DynConv.Tests.Ops;

[Trait("Uses", "compiler")]
public sealed class MuonTests
{
    private static readonly MuonStepSettings Settings = new() { LearningRate = 0.02, Momentum = 0.9, WeightDecay = 0.1 };

    public static TheoryData<string, int, int> Runs
    {
        get
        {
            var data = new TheoryData<string, int, int>();
            foreach (string device in TestDevices.Names.Where(name => name != TestDevices.MixedCuda))
            {
                foreach ((int rows, int columns) in new[] { (1, 1), (1, 13), (13, 1), (5, 29), (31, 7), (24, 24), (17, 64), (80, 40) })
                {
                    data.Add(device, rows, columns);
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Runs), DisableDiscoveryEnumeration = true)]
    public void Steps_match_a_float64_reference(string name, int rows, int columns)
    {
        Device device = TestDevices.Get(name);
        DType gradientType = TestDevices.TypeOf(name, isParameter: false);
        using var scope = new TensorScope();
        var random = new Random(rows + (100 * columns));
        double[] p = Normal(random, rows * columns);
        double[] start = [.. p];
        var m = new double[p.Length];
        Shape shape = [rows, columns];
        Tensor parameter = Tensor.From(Floats(p), shape, device);
        Tensor momentum = Tensor.Zeros(shape, DType.Float32, device);
        for (int step = 0; step < 4; step++)
        {
            float[] gradient = [.. Normal(random, p.Length).Select(value => (float)OpInput.Round(value, gradientType))];
            bool onDevice = step % 2 == 1;
            Muon.Step(
                parameter,
                Tensor.From(gradient, shape, device).To(gradientType),
                momentum,
                Settings,
                onDevice ? 1f : 0.125f,
                onDevice ? Tensor.From([0.125f], [], device) : null);
            Reference(p, [.. gradient.Select(value => value * 0.125)], m, rows, columns);
        }

        // On a card the direction is computed in bfloat16, whose 8 bits blur the shortest singular vectors most.
        double change = Norm(p.Zip(start, (a, b) => a - b));
        double error = Norm(p.Zip(parameter.ToArray<float>(), (a, b) => a - b));
        Assert.InRange(error / change, 0, device.IsCuda ? 0.04 : 1e-4);
        Assert.Equal(m, momentum.ToArray<float>().Select(value => (double)value), (a, b) => Math.Abs(a - b) < 1e-6);
    }

    [Theory]
    [InlineData(6, 6)]
    [InlineData(5, 19)]
    [InlineData(23, 8)]
    public void Singular_vectors_stay_and_singular_values_come_near_one(int rows, int columns)
    {
        foreach (string name in TestDevices.Names.Where(name => name != TestDevices.MixedCuda))
        {
            using var scope = new TensorScope();
            int least = Math.Min(rows, columns);
            (double[,] left, double[,] right) = (Reflection(rows), Reflection(columns));
            var values = new double[rows, columns];
            for (int i = 0; i < least; i++)
            {
                values[i, i] = 1e4 * Math.Pow(0.01, i / (least - 1.0));
            }

            double[,] matrix = Product(Product(left, values), right);
            Tensor x = Tensor.From(matrix.Cast<double>().Select(value => (float)value).ToArray(), [rows, columns], TestDevices.Get(name))
                .To(TestDevices.TypeOf(name, isParameter: false));
            float[] result = Muon.Orthogonalize(x).To(DType.Float32).ToArray<float>();
            double[,] core = Product(Product(left, Matrix([.. result.Select(value => (double)value)], rows, columns)), right);
            double tolerance = name == "cpu" ? 1e-6 : 0.03;
            for (int i = 0; i < rows; i++)
            {
                for (int j = 0; j < columns; j++)
                {
                    Assert.InRange(core[i, j], i == j ? 0.68 - tolerance : -tolerance, i == j ? 1.14 + tolerance : tolerance);
                }
            }
        }
    }

    [Fact]
    public void A_slice_of_a_wider_weight_is_stepped_alone()
    {
        foreach (string name in TestDevices.Float32Names)
        {
            using var scope = new TensorScope();
            Device device = TestDevices.Get(name);
            var random = new Random(3);
            float[] values = Floats(Normal(random, 12 * 20));
            Tensor fused = Tensor.From(values, [12, 20], device);
            Tensor gradient = Tensor.From(Floats(Normal(random, 240)), [12, 20], device);
            foreach ((Tensor slice, Tensor part) in new[]
            {
                (fused.Slice(0, 2, 5), gradient.Slice(0, 2, 5)),
                (fused.Slice(0, 8, 4).Slice(1, 3, 16), gradient.Slice(0, 8, 4).Slice(1, 3, 16)),
                (fused.Slice(0, 0, 2).Transpose(0, 1), gradient.Slice(0, 0, 2).Transpose(0, 1)),
            })
            {
                Tensor alone = slice.Clone();
                Muon.Step(slice, part, Tensor.Zeros(slice.Shape, device: device), Settings);
                Muon.Step(alone, part.Clone(), Tensor.Zeros(slice.Shape, device: device), Settings);
                Assert.Equal(alone.ToArray<float>(), slice.ToArray<float>());
            }

            float[] after = fused.ToArray<float>();
            Assert.All(Enumerable.Range(0, 240), i => Assert.Equal(
                i / 20 is 7 || (i / 20 > 7 && i % 20 is < 3 or > 18), values[i] == after[i]));
        }
    }

    [Fact]
    public void A_factor_that_is_not_a_number_changes_nothing()
    {
        foreach (string name in TestDevices.Float32Names)
        {
            using var scope = new TensorScope();
            Device device = TestDevices.Get(name);
            float[] values = [1, 2, 3, 4, 5, 6];
            Tensor[] tensors = [.. Enumerable.Range(0, 3).Select(_ => Tensor.From(values, [2, 3], device))];
            Muon.Step(tensors[0], tensors[1], tensors[2], Settings, deviceScale: Tensor.From([float.NaN], [], device));
            Muon.Step(tensors[0], tensors[1], tensors[2], Settings, float.NaN);
            Assert.All(tensors, tensor => Assert.Equal(values, tensor.ToArray<float>()));
        }
    }

    [Fact]
    public void Without_a_gradient_a_parameter_decays_alone()
    {
        using var scope = new TensorScope();
        Tensor parameter = Tensor.From([2f, 4f], [1, 2]);
        long before = Device.Cpu.Memory.LiveBuffers;
        Muon.Step(parameter, Tensor.Zeros([1, 2]), Tensor.Zeros([1, 2]), Settings);
        Assert.Equal(before + 2, Device.Cpu.Memory.LiveBuffers);
        Assert.Equal([2f * 0.998f, 4f * 0.998f], parameter.ToArray<float>());
        Muon.Step(Tensor.Zeros([0, 3]), Tensor.Zeros([0, 3]), Tensor.Zeros([0, 3]), Settings);
        Assert.Equal(0, Muon.Orthogonalize(Tensor.Zeros([3, 0])).Count);
    }

    [Fact]
    public void Arguments_that_do_not_fit_are_refused()
    {
        using var scope = new TensorScope();
        Tensor x = Tensor.Zeros([2, 2]);
        Assert.Equal(
            "muon: shapes [2, 2] and [2, 3] differ.",
            Assert.Throws<TensorException>(() => Muon.Step(x, Tensor.Zeros([2, 3]), x, Settings)).Message);
        Assert.StartsWith(
            "muon: the parameter", Assert.Throws<TensorException>(() => Muon.Step(Tensor.Zeros([4]), Tensor.Zeros([4]), Tensor.Zeros([4]), Settings)).Message);
        Assert.Equal(
            "muon: the momentum has to lie in [0, 1), and 1 does not.",
            Assert.Throws<TensorException>(() => Muon.Step(x, x, x, Settings with { Momentum = 1 })).Message);
        Assert.Equal(
            "muon: the Newton-Schulz iteration takes at least 1 step, not 0.",
            Assert.Throws<TensorException>(() => Muon.Orthogonalize(x, 0)).Message);
    }

    private static void Reference(double[] parameter, double[] gradient, double[] momentum, int rows, int columns)
    {
        double mu = Settings.Momentum;
        var direction = new double[parameter.Length];
        for (int i = 0; i < parameter.Length; i++)
        {
            momentum[i] = (mu * momentum[i]) + ((1 - mu) * gradient[i]);
            direction[i] = ((1 - mu) * gradient[i]) + (mu * momentum[i]);
        }

        double norm = Norm(direction);
        double[,] x = Matrix([.. direction.Select(value => value / norm)], rows, columns);
        for (int step = 0; step < 5; step++)
        {
            double[,] once = Product(Product(x, Transposed(x)), x);
            double[,] twice = Product(Product(x, Transposed(x)), once);
            for (int i = 0; i < parameter.Length; i++)
            {
                (int row, int column) = (i / columns, i % columns);
                x[row, column] = (3.4445 * x[row, column]) - (4.7750 * once[row, column]) + (2.0315 * twice[row, column]);
            }
        }

        for (int i = 0; i < parameter.Length; i++)
        {
            double length = 0.2 * Math.Sqrt(Math.Max(rows, columns)) * Settings.LearningRate;
            parameter[i] = (parameter[i] * (1 - (Settings.LearningRate * Settings.WeightDecay))) - (length * x[i / columns, i % columns]);
        }
    }

    private static double[] Normal(Random random, int count) =>
        [.. Enumerable.Range(0, count).Select(_ => (double)(float)OpInput.Normal(random))];

    private static float[] Floats(double[] values) => [.. values.Select(value => (float)value)];

    private static double Norm(IEnumerable<double> values) => Math.Sqrt(values.Sum(value => value * value));

    private static double[,] Matrix(double[] values, int rows, int columns)
    {
        var matrix = new double[rows, columns];
        Buffer.BlockCopy(values, 0, matrix, 0, values.Length * sizeof(double));
        return matrix;
    }

    private static double[,] Transposed(double[,] a)
    {
        var transposed = new double[a.GetLength(1), a.GetLength(0)];
        for (int i = 0; i < a.Length; i++)
        {
            transposed[i % a.GetLength(1), i / a.GetLength(1)] = a[i / a.GetLength(1), i % a.GetLength(1)];
        }

        return transposed;
    }

    private static double[,] Product(double[,] a, double[,] b)
    {
        var product = new double[a.GetLength(0), b.GetLength(1)];
        for (int i = 0; i < a.GetLength(0); i++)
        {
            for (int j = 0; j < b.GetLength(1); j++)
            {
                for (int k = 0; k < b.GetLength(0); k++)
                {
                    product[i, j] += a[i, k] * b[k, j];
                }
            }
        }

        return product;
    }

    /// <summary>I - 2 v vᵀ: orthogonal, and its own inverse.</summary>
    private static double[,] Reflection(int size)
    {
        double[] v = [.. Enumerable.Range(1, size).Select(i => Math.Sin(i * i) + 0.3)];
        double norm = Norm(v);
        var reflection = new double[size, size];
        for (int i = 0; i < reflection.Length; i++)
        {
            (int row, int column) = (i / size, i % size);
            reflection[row, column] = (row == column ? 1 : 0) - (2 * v[row] * v[column] / (norm * norm));
        }

        return reflection;
    }
}
