namespace DynConv.Ops;

/// <summary>
/// Channels whose number is no multiple of 8, in bfloat16 on a GPU: filled up with zeros, so that the tensor cores take them. A
/// copy of x, and backward one of its gradient and one of y's, cost less than a tenth of what they save.
/// </summary>
internal static class LowRankPadding
{
    private const int Multiple = 8;

    /// <summary>Whether filling up makes the difference.</summary>
    public static bool Pays(Tensor x, Tensor u, ShortConvolutionOptions options) =>
        x.Device.IsCuda && x.DType == DType.BFloat16 && x.Count > 0 && x.Shape[2] % Multiple != 0
        && options.Output is null && (options.Packed is null || options.InitialState is null)
        && LowRankTiling.Forward((int)LowRankConvolution.Width(x, u), u.Shape[0], x.Device.Context.MaximumSharedBytes) is not null;

    /// <summary>The convolution, by one of more channels.</summary>
    public static Tensor Apply(Tensor x, Tensor z, Tensor u, Tensor? staticWeight, ShortConvolutionOptions options)
    {
        (long channels, long rank, long width) = (x.Shape[2], u.Shape[0], LowRankConvolution.Width(x, u));
        long wide = (channels + Multiple - 1) / Multiple * Multiple;
        Tensor basis = Padded(u.Reshape(rank, width, channels), wide).Reshape(rank, width * wide);
        var inside = options with
        {
            InitialState = options.InitialState is { } state ? Padded(state, wide) : null,
            Bias = options.Bias is { } bias ? Padded(bias.Reshape(1, channels), wide).Reshape(wide) : null,
        };
        Tensor y = LowRankConvolution.Apply(
            Padded(x, wide), z, basis, staticWeight is null ? null : Padded(staticWeight, wide), inside);
        return y.Slice(2, 0, channels);
    }

    /// <summary>A copy with zeros behind the last channel.</summary>
    private static Tensor Padded(Tensor tensor, long wide)
    {
        long channels = tensor.Shape[^1];
        Tensor padded = Tensor.Empty(tensor.Shape.With(tensor.Rank - 1, wide), tensor.DType, tensor.Device);
        ShiftedCopy.Fill(tensor, padded);
        return Tape.Record("padding", padded, [tensor], [], g => g.Add(0, g.Gradient(0)!.Slice(tensor.Rank - 1, 0, channels)));
    }
}
