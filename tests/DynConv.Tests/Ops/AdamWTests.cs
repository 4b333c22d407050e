using DynConv.Diagnostics;
using DynConv.Ops;
using DynConv.Tests.Cuda;

namespace DynConv.Tests.Ops;

[Trait("Uses", "compiler")]
public sealed class AdamWTests
{
    private const int Count = 37;

    private static readonly AdamWStepSettings Settings = new() { LearningRate = 0.02, Beta2 = 0.95, WeightDecay = 0.1 };

    public static TheoryData<string, float, bool> Runs
    {
        get
        {
            var data = new TheoryData<string, float, bool>();
            foreach (string device in TestDevices.Names.Where(name => name != TestDevices.MixedCuda))
            {
                data.Add(device, 1f, false);
                data.Add(device, 0.125f, false);
                data.Add(device, 0.125f, true);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Runs), DisableDiscoveryEnumeration = true)]
    public void Twenty_steps_match_a_float64_reference(string name, float gradientScale, bool scaleIsOnDevice)
    {
        Device device = TestDevices.Get(name);
        DType gradientType = TestDevices.TypeOf(name, isParameter: false);
        using var scope = new TensorScope();
        var random = new Random(5);
        double[] p = [.. Enumerable.Range(0, Count).Select(_ => (double)(float)OpInput.Normal(random))];
        var m = new double[Count];
        var v = new double[Count];
        Tensor parameter = Tensor.From(p.Select(value => (float)value).ToArray(), [Count], device);
        (Tensor first, Tensor second) = (Zeros(device), Zeros(device));
        Tensor deviceScale = Tensor.From([gradientScale], [], device);
        for (int step = 1; step <= 20; step++)
        {
            float[] gradient = [.. Enumerable.Range(0, Count).Select(
                i => (float)OpInput.Round(OpInput.Normal(random) * Math.Pow(10, (i % 9) - 6), gradientType))];
            AdamW.Step(
                parameter,
                Tensor.From(gradient, [Count], device).To(gradientType),
                first,
                second,
                Settings,
                step,
                scaleIsOnDevice ? 1f : gradientScale,
                scaleIsOnDevice ? deviceScale : null);
            for (int i = 0; i < Count; i++)
            {
                double g = (double)gradient[i] * gradientScale;
                p[i] *= 1 - (Settings.LearningRate * Settings.WeightDecay);
                m[i] = (Settings.Beta1 * m[i]) + ((1 - Settings.Beta1) * g);
                v[i] = (Settings.Beta2 * v[i]) + ((1 - Settings.Beta2) * g * g);
                double corrected = v[i] / (1 - Math.Pow(Settings.Beta2, step));
                double size = Settings.LearningRate / (1 - Math.Pow(Settings.Beta1, step));
                p[i] -= size * m[i] / (Math.Sqrt(corrected) + Settings.Epsilon);
            }
        }

        // Steps are some 0.02 long whatever the gradient; twenty roundings of values near 1 stay below 1e-6.
        Assert.Equal(p, parameter.ToArray<float>().Select(value => (double)value), (a, b) => Math.Abs(a - b) < 2e-6);
    }

    private static Tensor Zeros(Device device) => Tensor.Zeros([Count], DType.Float32, device);

    [Fact]
    public void A_slice_of_a_fused_weight_is_stepped_alone()
    {
        using var scope = new TensorScope();
        float[] values = [.. Enumerable.Range(0, 60).Select(i => i * 0.1f)];
        Tensor fused = Tensor.From(values, [3, 20]);
        Tensor gradient = Tensor.From(values.Select(value => 3 - value).ToArray(), [3, 20]);
        Tensor slice = fused.Slice(1, 2, 17);
        Tensor alone = slice.Clone();
        (Tensor m, Tensor v) = (Tensor.Zeros([3, 17]), Tensor.Zeros([3, 17]));
        AdamW.Step(slice, gradient.Slice(1, 2, 17), m, v, Settings, 1);
        AdamW.Step(alone, gradient.Slice(1, 2, 17).Clone(), Tensor.Zeros([3, 17]), Tensor.Zeros([3, 17]), Settings, 1);
        Assert.Equal(alone.ToArray<float>(), slice.ToArray<float>());
        float[] after = fused.ToArray<float>();
        Assert.All(
            Enumerable.Range(0, 60).Where(i => i % 20 is < 2 or > 18), i => Assert.Equal(values[i], after[i]));
    }

    [Fact]
    public void Weight_decay_alone_shrinks_the_parameter()
    {
        using var scope = new TensorScope();
        Tensor parameter = Tensor.From([2f], [1]);
        AdamW.Step(parameter, Tensor.Zeros([1]), Tensor.Zeros([1]), Tensor.Zeros([1]), Settings, 1);
        Assert.Equal(2f * 0.998f, parameter.Item());
    }

    [Fact]
    public void A_factor_that_is_not_a_number_changes_nothing()
    {
        foreach (string name in TestDevices.Float32Names)
        {
            using var scope = new TensorScope();
            Device device = TestDevices.Get(name);
            float[] values = [1, 2, 3, 4, 5];
            Tensor[] tensors = [.. Enumerable.Range(0, 4).Select(_ => Tensor.From(values, [5], device))];
            AdamW.Step(tensors[0], tensors[1], tensors[2], tensors[3], Settings, 1, deviceScale: Tensor.From([float.NaN], [], device));
            Assert.All(tensors, tensor => Assert.Equal(values, tensor.ToArray<float>()));
        }
    }

    [Fact]
    public void Many_parameters_are_stepped_as_each_by_itself()
    {
        foreach (string name in TestDevices.Names.Where(name => name != TestDevices.MixedCuda))
        {
            using var scope = new TensorScope();
            Device device = TestDevices.Get(name);
            AdamWPart[] parts = Parts(device, TestDevices.TypeOf(name, isParameter: false));
            AdamWPart[] alone = [.. parts.Select(part => part with
            {
                Weight = part.Weight.Clone(),
                FirstMoment = part.FirstMoment.Clone(),
                SecondMoment = part.SecondMoment.Clone(),
            })];
            foreach (float scale in new[] { 0.5f, float.NaN })
            {
                Tensor deviceScale = Tensor.From([scale], [], device);
                long before = device.IsCuda ? device.Context.Launches : 0;
                AdamW.StepAll(parts, Settings, 3, 0.25f, deviceScale);
                Assert.True(!device.IsCuda || device.Context.Launches - before <= 6);
                foreach (AdamWPart part in alone.Where(IsWatched))
                {
                    AdamWStepSettings settings = Settings with { WeightDecay = part.WeightDecay };
                    AdamW.Step(part.Weight, part.Gradient, part.FirstMoment, part.SecondMoment, settings, 3, 0.25f, deviceScale);
                }

                foreach ((AdamWPart together, AdamWPart one) in parts.Zip(alone).Where(pair => IsWatched(pair.First)))
                {
                    Assert.Equal(one.Weight.ToArray<float>(), together.Weight.ToArray<float>());
                    Assert.Equal(one.FirstMoment.ToArray<float>(), together.FirstMoment.ToArray<float>());
                    Assert.Equal(one.SecondMoment.ToArray<float>(), together.SecondMoment.ToArray<float>());
                }
            }
        }

        static bool IsWatched(AdamWPart part) => part.Weight.Count != 1;
    }

    [Fact]
    public void Copies_are_stepped_along_with_parameters_as_long_as_they_have_all_values()
    {
        Device device = CudaCard.Get();
        using var scope = new TensorScope();
        Tensor fused = new NormalValues().Tensor([11, 6], DType.Float32, device);
        using var copy = new Counterpart(fused, DType.BFloat16);
        AdamWPart first = Part(fused.Slice(0, 0, 5), DType.Float32);
        AdamWPart second = Part(fused.Slice(0, 5, 5), DType.Float32);
        AdamWPart strided = Part(fused.Slice(1, 2, 2), DType.Float32);
        copy.Refresh();

        AdamW.StepAll([first, second], Settings, 1, 1, null);
        Check(isCurrent: true);
        AdamW.StepAll([second], Settings, 1, float.NaN, null);
        Check(isCurrent: true);

        AdamW.StepAll([strided, first], Settings, 1, 1, null);
        Check(isCurrent: false);
        fused.Fill(1);
        AdamW.StepAll([first], Settings, 1, 1, null);
        Check(isCurrent: false);

        void Check(bool isCurrent)
        {
            Assert.Equal(isCurrent, copy.IsCurrent);
            copy.Refresh();
            Assert.Equal(fused.To(DType.BFloat16).ToArray<BFloat16>(), copy.Copy.ToArray<BFloat16>());
        }
    }

    // More than one table holds, of lengths that end with a part of an access or of a block; some begin where no access may.
    private static AdamWPart[] Parts(Device device, DType gradientType)
    {
        var values = new NormalValues();
        Tensor fused = values.Tensor([9, 7], DType.Float32, device);
        Tensor[] parameters =
        [
            .. Enumerable.Range(0, gradientType == DType.Float32 ? 62 : 0).Select(_ => values.Tensor([1], DType.Float32, device)),
            values.Tensor([3, 2741], DType.Float32, device),
            values.Tensor([100], DType.Float32, device),
            Tensor.Empty([0], DType.Float32, device),
            fused.Slice(0, 1, 3),
            fused.Slice(0, 4, 5),
            values.Tensor([4, 8], DType.Float32, device).Slice(1, 1, 5),
        ];
        return [.. parameters.Select(parameter => Part(parameter, gradientType))];
    }

    private static AdamWPart Part(Tensor parameter, DType gradientType)
    {
        var values = new NormalValues();
        Tensor second = values.Tensor(parameter.Shape, DType.Float32, parameter.Device);
        return new AdamWPart(
            parameter,
            values.Tensor(parameter.Shape, gradientType, parameter.Device),
            values.Tensor(parameter.Shape, DType.Float32, parameter.Device),
            Elementwise.Multiply(second, second),
            parameter.Count % 3 == 0 ? 0 : 0.1);
    }

    [Fact]
    public void Arguments_that_do_not_fit_are_refused()
    {
        using var scope = new TensorScope();
        Tensor x = Tensor.Zeros([2]);
        Assert.Equal(
            "adamw: shapes [2] and [3] differ.",
            Assert.Throws<TensorException>(() => AdamW.Step(x, Tensor.Zeros([3]), x, x, Settings, 1)).Message);
        Assert.Equal(
            "adamw: steps count from 1, and 0 is less.",
            Assert.Throws<TensorException>(() => AdamW.Step(x, x, x, x, Settings, 0)).Message);
        Assert.Equal(
            "adamw: beta2 has to lie in [0, 1), and 1 does not.",
            Assert.Throws<TensorException>(() => AdamW.Step(x, x, x, x, Settings with { Beta2 = 1 }, 1)).Message);
    }
}
