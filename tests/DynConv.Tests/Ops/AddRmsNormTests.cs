using System.Globalization;
using DynConv.Ops;

namespace DynConv.Tests.Ops;

public sealed class AddRmsNormTests : OpTests<AddRmsNormTests>, IOpCases
{
    private const float Epsilon = 1e-5f;

    // Rows of several to a warp, of a warp, of several warps, longer than registers hold; and rows that no 16 bytes divide.
    private static readonly Shape[] Shapes = [[5], [2, 3, 17], [0, 4], [37, 128], [9, 384], [2, 1096], [3, 4099], [1, 16400]];

    public static IEnumerable<OpCase> Cases => Shapes.Select(shape => OpCase.Of(
        $"add_rms_norm {shape}", RmsNormalization.SumDescription, [shape, shape, [shape[^1]]], x => Reference(x[0], x[1], x[2])) with
    {
        Settings = new Dictionary<string, string> { ["eps"] = Epsilon.ToString(CultureInfo.InvariantCulture) },
    });

    public static TheoryData<string, bool, bool> Uses
    {
        get
        {
            var data = new TheoryData<string, bool, bool>();
            foreach (string device in TestDevices.Names)
            {
                data.Add(device, true, true);
                data.Add(device, true, false);
                data.Add(device, false, true);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Uses), DisableDiscoveryEnumeration = true)]
    public void Results_and_gradients_have_the_bits_of_a_sum_and_a_norm(string device, bool usesSum, bool usesNorm)
    {
        float[][] apart = Run((x, added, weight) =>
        {
            Tensor sum = x + added;
            return (sum, RmsNormalization.Apply(sum, weight, Epsilon));
        });
        float[][] together = Run((x, added, weight) => RmsNormalization.ApplyToSum(x, added, weight, Epsilon));
        Assert.Equal(apart, together);

        float[][] Run(Func<Tensor, Tensor, Tensor, (Tensor, Tensor)> op)
        {
            using var scope = new TensorScope();
            using var tape = new Tape();
            DType type = TestDevices.TypeOf(device, isParameter: false);
            Tensor x = Leaf([7, 344], type, 1);
            Tensor added = Leaf([7, 344], type, 2);
            Tensor weight = Leaf([344], TestDevices.TypeOf(device, isParameter: true), 3);
            (Tensor sum, Tensor y) = op(x, added, weight);
            (Tensor, Tensor)[] outputs = [(sum, Drawn([7, 344], type, 4)), (y, Drawn([7, 344], type, 5))];
            tape.Backward(outputs.AsSpan((usesSum ? 0 : 1)..(usesNorm ? 2 : 1)));
            return [.. new[] { sum, y, x.Gradient, added.Gradient, weight.Gradient }.Select(one => one is null ? [] : one.To(DType.Float32).ToArray<float>())];
        }

        Tensor Leaf(Shape shape, DType type, int seed) => Drawn(shape, type, seed).RequireGradient();

        Tensor Drawn(Shape shape, DType type, int seed)
        {
            var random = new Random(seed);
            float[] values = [.. Enumerable.Range(0, (int)shape.Count).Select(_ => (float)OpInput.Normal(random))];
            return Tensor.From(values, shape).To(TestDevices.Get(device)).To(type);
        }
    }

    [Fact]
    public void Summands_of_two_shapes_are_refused()
    {
        using var scope = new TensorScope();
        var error = Assert.Throws<TensorException>(
            () => RmsNormalization.ApplyToSum(Tensor.Zeros([2, 3]), Tensor.Zeros([1, 3]), Tensor.Zeros([3]), Epsilon));
        Assert.Equal("add_rms_norm: shapes [2, 3] and [1, 3] differ.", error.Message);
    }

    private static double[][] Reference(double[] x, double[] added, double[] weight)
    {
        double[] sum = [.. x.Zip(added, (a, b) => a + b)];
        double[] y = [.. sum.Chunk(weight.Length).SelectMany(row =>
        {
            double rms = Math.Sqrt(row.Average(value => value * value) + Epsilon);
            return row.Zip(weight, (value, scale) => value / rms * scale);
        })];
        return [sum, y];
    }
}
