using DynConv.Diagnostics;
using DynConv.Ops;

namespace DynConv.Tests.Cuda;

[Trait("Uses", "compiler")]
public sealed class CudaMemoryTests
{
    private const float Epsilon = 1e-5f;

    private readonly NormalValues _values = new();

    public static TheoryData<DType> Types => [DType.Float32, DType.BFloat16];

    [Theory]
    [MemberData(nameof(Types))]
    public void Shapes_that_vary_leave_the_pool_as_it_was(DType dtype)
    {
        Device device = CudaCard.Get();
        (int shapes, int scale) = CudaCard.IsEmulated(device) ? (4, 1) : (1000, 32);
        long live = device.Memory.LiveBuffers;
        Pass(device, dtype, shapes, scale);
        Assert.Equal(live, device.Memory.LiveBuffers);
        long reserved = device.Memory.ReservedBytes;
        Pass(device, dtype, shapes, scale);
        Assert.Equal((live, reserved), (device.Memory.LiveBuffers, device.Memory.ReservedBytes));
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void Repeated_steps_take_no_memory_after_the_second(DType dtype)
    {
        Device device = CudaCard.Get();
        int steps = CudaCard.IsEmulated(device) ? 2 : 10_000;
        Step(device, dtype, 2, 9, 16);
        Step(device, dtype, 2, 9, 16);
        (long live, long reserved) = (device.Memory.LiveBuffers, device.Memory.ReservedBytes);
        for (int i = 0; i < steps; i++)
        {
            Step(device, dtype, 2, 9, 16);
            Assert.Equal((live, reserved), (device.Memory.LiveBuffers, device.Memory.ReservedBytes));
        }

        device.Synchronize();
    }

    [Fact]
    public void Memory_kept_for_later_is_given_up_before_a_request_fails()
    {
        Device device = CudaCard.Get();
        device.Memory.Trim();
        long most = device.Context.FreeBytes / 4;
        Tensor.Empty([3 * most / sizeof(float)], DType.Float32, device).Dispose();
        using Tensor larger = Tensor.Empty([((3 * most) + (most / 2)) / sizeof(float)], DType.Float32, device);
        larger.Dispose();
        device.Memory.Trim();
    }

    private void Pass(Device device, DType dtype, int shapes, int scale)
    {
        var random = new Random(1);
        for (int i = 0; i < shapes; i++)
        {
            Step(device, dtype, random.Next(1, 4), random.Next(1, 40 * scale), 16 * random.Next(1, 3 * scale));
        }
    }

    // A normalised, gated, convolved linear layer, forward and backward: most of what a block of a model does.
    private void Step(Device device, DType dtype, long batch, long time, long channels)
    {
        using var scope = new TensorScope();
        var leaves = new List<Tensor>();
        using (var tape = new Tape())
        {
            Tensor x = Leaf(batch, time, channels);
            Tensor normed = RmsNormalization.Apply(x, Leaf(channels), Epsilon);
            Tensor both = MatMul.Linear(normed, Leaf(2 * channels, channels));
            Tensor gated = SwiGlu.Apply(both.Slice(-1, 0, channels), both.Slice(-1, channels, channels));
            Tensor headWise = HeadWiseConvolution.Apply(gated, Leaf(batch, time, channels / 16, 4), Leaf(4, channels));
            Tensor lowRank = LowRankConvolution.Apply(headWise, Leaf(batch, time, 16), Leaf(16, 4 * channels), Leaf(4, channels));
            Tensor y = Elementwise.Add(x, StaticConvolution.Apply(lowRank, Leaf(4, channels)));
            tape.Backward(y, _values.Tensor(y.Shape, dtype, device));
        }

        leaves.ForEach(leaf => leaf.ClearGradient());

        Tensor Leaf(params long[] dimensions)
        {
            Tensor leaf = _values.Tensor(Shape.Create(dimensions), dtype, device).RequireGradient();
            leaves.Add(leaf);
            return leaf;
        }
    }
}
