using DynConv.Cuda;

namespace DynConv.Ops;

/// <summary>What head_wise_weight_gradient.cu is specialised by, for heads that cannot be split evenly among a power of two of lanes.</summary>
/// <param name="Type">Of all tensors.</param>
/// <param name="Width">W.</param>
/// <param name="Lanes">Lanes that share a head; those of a warp take a larger one in several turns.</param>
/// <param name="IsAligned">Whether rows and heads begin at multiples of 16 bytes.</param>
/// <param name="Pack">Elements of the gradient written at a time.</param>
/// <param name="IsPacked">Whether sequences are packed.</param>
internal readonly record struct HeadWiseWeightGradientKey(DType Type, int Width, int Lanes, bool IsAligned, int Pack, bool IsPacked)
{
    /// <summary>Threads of a block.</summary>
    public const int Threads = Warps * Lane;

    private const int Warps = 4;
    private const int Lane = 32;
    private const int AccessBytes = 16;

    public (string Name, object Value)[] Macros =>
    [
        ("ELEMENT", Type.CudaName()),
        ("WIDTH", Width),
        ("LANES", Lanes),
        ("TOKENS", Tokens),
        ("WARPS", Warps),
        ("ALIGNED", IsAligned ? 1 : 0),
        ("PACK", Pack),
        ("PACKED", IsPacked ? 1 : 0),
    ];

    // A lane keeps the sums of all taps of its tokens; in several turns they stand beside what the next one reads.
    private int Tokens => (Width <= 4 ? 8 : Width <= 8 ? 4 : 2) / (Lanes == Lane ? 2 : 1);

    /// <summary>The widest accesses that shapes and alignment allow.</summary>
    /// <param name="inputs">The convolution.</param>
    /// <param name="dy">The gradient of the result.</param>
    /// <param name="gradient">Where the gradient of k goes, <c>[B, T, H, W]</c>.</param>
    public static HeadWiseWeightGradientKey Of(ConvolutionInputs inputs, Tensor dy, Tensor gradient)
    {
        int channels = AccessBytes / inputs.X.DType.SizeInBytes();
        long headSize = inputs.Channels / gradient.Shape[2];
        int aligned = KernelRows.Pack(inputs.InitialState, KernelRows.Pack(inputs.X, KernelRows.Pack(dy, channels)));
        int pack = KernelRows.Pack(gradient, channels);
        while (inputs.Width % pack != 0)
        {
            pack /= 2;
        }

        return new HeadWiseWeightGradientKey(
            inputs.X.DType,
            inputs.Width,
            (int)Math.Min(Lane, (headSize + channels - 1) / channels),
            aligned == channels && headSize % channels == 0,
            pack,
            inputs.Sequences.Packed is not null);
    }

    /// <summary>Blocks side by side along the heads.</summary>
    /// <param name="heads">H.</param>
    public long BlocksAlongHeads(long heads) => (heads + (Lane / Lanes) - 1) / (Lane / Lanes);

    /// <summary>Blocks along the tokens of a batch entry.</summary>
    /// <param name="time">T.</param>
    public long BlocksAlongTime(long time) => (time + (Warps * Tokens) - 1) / (Warps * Tokens);
}
