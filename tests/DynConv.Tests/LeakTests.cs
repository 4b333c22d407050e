using DynConv.Diagnostics;
using DynConv.Modules;
using DynConv.Ops;
using DynConv.Tests.Modules;
using DynConv.Tests.Serialization;

namespace DynConv.Tests;

/// <summary>
/// Outside of any scope nothing is left once results, leaves and modules are disposed: ops, methods of tensors, modules and
/// their gradients alike.
/// </summary>
public sealed class LeakTests
{
    public static TheoryData<string> Ops => [.. OpCatalogue.All.Select(op => op.Name)];

    // Everything a tensor can be asked for; what it returns besides tensors is dropped.
    private static readonly (string Name, Func<Tensor, object?> Call)[] Calls =
    [
        ("slice", x => x.Slice(0, 1, 2)),
        ("reshape", x => x.Reshape(-1)),
        ("reshape of a transpose", x => Using(x.Transpose(0, 1), turned => turned.Reshape(-1))),
        ("permute", x => x.Permute(1, 0)),
        ("transpose", x => x.Transpose(0, 1)),
        ("contiguous", x => Using(x.Transpose(0, 1), turned => turned.Contiguous())),
        ("clone", x => x.Clone()),
        ("detach", x => x.Detach()),
        ("index", x => x[1]),
        ("index of an element", x => x[^1, 0]),
        ("index of a range", x => x[1..3, ..2]),
        ("expand", x => x.Expand([2, 4, 6])),
        ("to", x => x.To(DType.BFloat16)),
        ("text", x => x.ToString()),
        ("array", x => x.ToArray<float>()),
        ("fill", x => Using(x.Clone(), copy => { copy.Fill(2); copy.CopyFrom(x); copy.Clear(); return null; })),
        ("operators", x => Using(x + x, a => Using(a - 1, b => Using(b * x, c => Using(c / 2, d => -d))))),
        ("broadcast", x => Using(x[0], row => x * row)),
        ("sum", x => x.Sum()),
        ("sum along", x => x.Sum(0)),
        ("mean", x => x.Mean()),
        ("mean along", x => x.Mean(1, keepDimension: true)),
        ("softmax", x => x.Softmax()),
        ("softmax along 0", x => x.Softmax(0)),
        ("functions", x => Using(x.Exp(), a => Using(a.Log(), b => Using(a.Sqrt(), c => Using(b.Tanh(), d => Using(d.Sigmoid(), e => Using(e.Relu(), f => Using(f.Silu(), g => Using(g.Softplus(), h => h.Gelu()))))))))),
        ("matrix product", x => Using(x.Transpose(0, 1), turned => x.MatMul(turned))),
        ("concatenation", x => Tensor.Concatenate(0, x, x)),
    ];

    public static TheoryData<string> Names => [.. Calls.Select(call => call.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Methods_of_tensors_leave_nothing(string name)
    {
        Func<Tensor, object?> call = Calls.Single(one => one.Name == name).Call;
        NothingIsLeft(() =>
        {
            using Tensor x = new RandomSource(1).Uniform([4, 6], 1);
            (call(x) as Tensor)?.Dispose();
        });
        NothingIsLeft(() =>
        {
            using Tensor x = new RandomSource(1).Uniform([4, 6], 1).RequireGradient();
            using var tape = new Tape();
            using var result = call(x) as Tensor;
            if (result is { RequiresGradient: true } && !ReferenceEquals(result, x))
            {
                using Tensor ones = Tensor.Ones(result.Shape, result.DType);
                tape.Backward((result, ones));
                Assert.NotNull(x.Gradient);
                Assert.Same(x.Gradient, x.Gradient);
            }
        });
    }

    [Theory]
    [MemberData(nameof(Ops))]
    public void Ops_leave_nothing(string name)
    {
        OpDescription op = OpCatalogue.Find(name)!;
        OpSizes sizes = OpSizes.Parse("B=2 T=3 D=8 N=4 V=5 F=6 H=2 K=4 R=3 W=4 S=3 L=2 M=4 Hkv=2 Hv=2 G=1 P=3");
        NothingIsLeft(() =>
        {
            (string Name, Tensor Tensor)[] inputs = [.. op.Inputs.Where(input => !input.IsOptional).Select(input => (input.Name, Input(input)))];
            using (var call = new OpCall(inputs))
            using (var tape = op.HasGradient ? new Tape() : null)
            {
                Tensor[] results = op.Run(call);
                if (tape is not null && results[0].RequiresGradient)
                {
                    using Tensor ones = Tensor.Ones(results[0].Shape, results[0].DType);
                    tape.Backward((results[0], ones));
                }

                Array.ForEach(results, static result => result.Dispose());
            }

            Array.ForEach(inputs, static input => input.Tensor.Dispose());
        });

        Tensor Input(OpTensor input)
        {
            Shape shape = sizes.ShapeOf(input);
            return input.IntegersBelow is not null ? Tensor.Zeros(shape, DType.Int32)
                : input.IsDifferentiable && op.HasGradient ? new RandomSource(1).Uniform(shape, 1).RequireGradient()
                : new RandomSource(1).Uniform(shape, 1);
        }
    }

    [Fact]
    public void Modules_leave_nothing()
    {
        using var folder = new TemporaryFolder();
        NothingIsLeft(() =>
        {
            using var model = new ModuleTests.Model();
            using (var tape = new Tape())
            using (Tensor loss = model.Loss())
            {
                tape.Backward(loss);
                Assert.All(model.NamedParameters(), named => Assert.NotNull(named.Value.Gradient));
            }

            model.Save(folder["model.safetensors"]);
            model.Load(folder["model.safetensors"]);
        });
    }

    [Fact]
    public void Convolution_modules_leave_nothing()
    {
        ShortConvolution[] Make() =>
        [
            new StaticShortConvolution(6, 4, new RandomSource(1)),
            new HeadWiseShortConvolution(6, 6, 4, 3, new RandomSource(1)),
            new LowRankShortConvolution(6, 6, 4, 2, new RandomSource(1)),
        ];
        NothingIsLeft(() =>
        {
            foreach (ShortConvolution convolution in Make())
            {
                using Tensor x = new RandomSource(2).Normal([2, 5, 6], 1).RequireGradient();
                using (var tape = new Tape())
                using (Tensor y = convolution.Forward(x, x))
                using (Tensor sum = y.Sum())
                {
                    tape.Backward(sum);
                    Assert.NotNull(x.Gradient);
                    Assert.NotNull(convolution.StaticWeight.Gradient);
                }

                (Tensor whole, Tensor state) = convolution.ForwardWithState(x);
                using Tensor token = x[.., 0];
                using Tensor next = convolution.Step(token, null, state);
                convolution.SetIdentity(new RandomSource(3));
                whole.Dispose();
                state.Dispose();
                convolution.Dispose();
            }
        });
    }

    [Fact]
    public void A_gradient_goes_with_its_tensor_or_when_it_is_cleared()
    {
        NothingIsLeft(() =>
        {
            using Tensor x = Tensor.Ones([3]).RequireGradient();
            Tensor? kept = null;
            foreach (bool clears in (bool[])[true, false])
            {
                using var tape = new Tape();
                using Tensor sum = x.Sum();
                tape.Backward(sum);
                kept = x.Gradient;
                Assert.Equal([1f, 1f, 1f], kept!.ToArray<float>());
                if (clears)
                {
                    x.ClearGradient();
                    Assert.True(kept.IsDisposed);
                    Assert.Null(x.Gradient);
                }
            }

            x.Dispose();
            Assert.True(kept!.IsDisposed);
        });
    }

    [Fact]
    public void A_gradient_that_was_looked_at_goes_on_growing()
    {
        using var scope = new TensorScope();
        Tensor x = Tensor.Ones([3]).RequireGradient();
        for (int pass = 1; pass <= 3; pass++)
        {
            using var tape = new Tape();
            tape.Backward((x * x).Sum());
            Assert.All(x.Gradient!.ToArray<float>(), value => Assert.Equal(2f * pass, value));
        }
    }

    private static void NothingIsLeft(Action action)
    {
        action();
        long before = Device.Cpu.Memory.LiveBuffers;
        action();
        Assert.Equal(before, Device.Cpu.Memory.LiveBuffers);
    }

    private static object? Using(Tensor tensor, Func<Tensor, object?> use)
    {
        using (tensor)
        {
            return use(tensor);
        }
    }
}
