using DynConv.Ops;

namespace DynConv.Tests.Ops.ShortConvolutions;

public sealed class ConvolutionArgumentTests
{
    [Fact]
    public void What_does_not_fit_is_refused_in_one_sentence()
    {
        using var scope = new TensorScope();
        Tensor x = Tensor.Zeros([2, 5, 12]);
        Tensor s = Tensor.Zeros([4, 12]);
        Refused("static_convolution: x has to be [B, T, D], and is [5, 12].", () => StaticConvolution.Apply(Tensor.Zeros([5, 12]), s));
        Refused("static_convolution: staticWeight has to be [W, D], and is [12].", () => StaticConvolution.Apply(x, Tensor.Zeros([12])));
        Refused(
            "static_convolution: the filter has 17 taps; from 1 to 16 are possible.",
            () => StaticConvolution.Apply(x, Tensor.Zeros([17, 12])));
        Refused(
            "static_convolution: staticWeight has to be [W, D], which is [4, 12] for x [2, 5, 12], and is [4, 11].",
            () => StaticConvolution.Apply(x, Tensor.Zeros([4, 11])));
        Refused(
            "static_convolution: float32 or bfloat16 is needed, not int32.",
            () => StaticConvolution.Apply(Tensor.Zeros([2, 5, 12], DType.Int32), s));
        Refused(
            "head_wise_convolution: 5 heads do not divide the 12 channels of x [2, 5, 12].",
            () => HeadWiseConvolution.Apply(x, Tensor.Zeros([2, 5, 5, 4])));
        Refused(
            "head_wise_convolution: weight has to be [B, T, H, W], which is [2, 5, 3, 4] for x [2, 5, 12], and is [2, 6, 3, 4].",
            () => HeadWiseConvolution.Apply(x, Tensor.Zeros([2, 6, 3, 4])));
        Refused(
            "low_rank_convolution: u has to be [R, W·D] with D = 12, and is [3, 47].",
            () => LowRankConvolution.Apply(x, Tensor.Zeros([2, 5, 3]), Tensor.Zeros([3, 47])));
        Refused(
            "low_rank_convolution: z has to be [B, T, R], which is [2, 5, 3] for x [2, 5, 12], and is [2, 5, 4].",
            () => LowRankConvolution.Apply(x, Tensor.Zeros([2, 5, 4]), Tensor.Zeros([3, 48])));
        Refused(
            "low_rank_convolution: the rank has to be at least 1, and u is [0, 48].",
            () => LowRankConvolution.Apply(x, Tensor.Zeros([2, 5, 0]), Tensor.Zeros([0, 48])));
    }

    [Fact]
    public void Options_that_do_not_fit_are_refused_in_one_sentence()
    {
        using var scope = new TensorScope();
        Tensor x = Tensor.Zeros([2, 5, 12]);
        Tensor s = Tensor.Zeros([4, 12]);
        var packed = new PackedSequences([0, 2, 5]);
        Refused(
            "static_convolution: initialState has to be [B, W-1, D], which is [2, 3, 12] for x [2, 5, 12], and is [2, 4, 12].",
            () => StaticConvolution.Apply(x, s, new() { InitialState = Tensor.Zeros([2, 4, 12]) }));
        Refused(
            "static_convolution: packed sequences need a batch of 1, and x is [2, 5, 12].",
            () => StaticConvolution.Apply(x, s, new() { Packed = packed }));
        Refused(
            "static_convolution: cuSeqlens ends at 5, and x [1, 6, 12] has 6 tokens.",
            () => StaticConvolution.Apply(Tensor.Zeros([1, 6, 12]), s, new() { Packed = packed }));
        Refused(
            "static_convolution: initialState has to be [N, W-1, D], which is [2, 3, 12] for x [1, 5, 12], and is [1, 3, 12].",
            () => StaticConvolution.Apply(x.Slice(0, 0, 1), s, new() { Packed = packed, InitialState = Tensor.Zeros([1, 3, 12]) }));
        Refused(
            "static_convolution: the given output has to be of x's shape, which is [2, 5, 12] for x [2, 5, 12], and is [2, 5, 11].",
            () => StaticConvolution.Apply(x, s, new() { Output = Tensor.Zeros([2, 5, 11]) }));
        Refused(
            "static_convolution: the given output has an inner stride of 5; it has to be 1.",
            () => StaticConvolution.Apply(x, s, new() { Output = Tensor.Zeros([2, 12, 5]).Transpose(1, 2) }));
    }

    [Fact]
    public void Offsets_beyond_two_billion_elements_are_reached()
    {
        // The two batch entries lie 2^31 elements apart; of the memory in between nothing is ever touched.
        const long Apart = 1L << 31;
        MemoryPool memory = Device.Cpu.Memory;
        bool poison = memory.Poison;
        memory.Poison = false;
        try
        {
            using var scope = new TensorScope();
            Tensor far = Tensor.Empty([2, Apart]);
            Tensor x = far.Slice(1, Apart - 12, 12).Reshape(2, 3, 4);
            x.Clear();
            x.Slice(0, 1, 1).Slice(1, 0, 1).Reshape(4).CopyFrom<float>([1, 2, 3, 4]);
            Tensor s = Tensor.From([1f, 1, 1, 1, 2, 2, 2, 2], [2, 4]);
            Assert.Equal(
                [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 2, 4, 6, 8, 0, 0, 0, 0],
                StaticConvolution.Apply(x, s).ToArray<float>());
        }
        catch (DynConvException exception) when (exception.Message.StartsWith("Out of memory", StringComparison.Ordinal))
        {
            Assert.Skip("There is no room for 16 GiB of addresses here.");
        }
        finally
        {
            memory.Poison = poison;
            memory.Trim();
        }
    }

    private static void Refused(string sentence, Func<Tensor> call) =>
        Assert.Equal(sentence, Assert.Throws<TensorException>(call).Message);
}
