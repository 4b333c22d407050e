using DynConv.Cuda;

namespace DynConv.Ops;

/// <summary>What the kernels of head_wise_*.cu are specialised by; their sources say what each number means.</summary>
/// <param name="Type">Of the activations.</param>
/// <param name="Static">Of the static part; null without one.</param>
/// <param name="Width">W.</param>
/// <param name="Channels">Channels of a lane.</param>
/// <param name="Heads">Heads that a lane's channels belong to; 0 in a static convolution.</param>
/// <param name="Lanes">Lanes that share a head; 0 where no power of two up to 32 of them does.</param>
/// <param name="FilterPack">Elements of k read at a time.</param>
/// <param name="Residual">Whether x is added.</param>
/// <param name="Packed">Whether sequences are packed.</param>
internal readonly record struct HeadWiseKey(
    DType Type, DType? Static, int Width, int Channels, int Heads, int Lanes, int FilterPack, bool Residual, bool Packed)
{
    /// <summary>Warps of a block.</summary>
    public const int Warps = 4;

    private const int Lane = 32;
    private const int AccessBytes = 16;

    // A lane keeps W rows of its channels four times over: filters, inputs, gradients of inputs and of filters.
    private const int MostTaps = 32;

    /// <summary>Channels of a warp.</summary>
    public long GroupChannels => Lane * Channels;

    public (string Name, object Value)[] Macros =>
    [
        ("ELEMENT", Type.CudaName()),
        ("WIDTH", Width),
        ("CHANNELS", Channels),
        ("HEADS", Heads),
        ("LANES", Lanes),
        ("FILTER_PACK", FilterPack),
        .. Static is { } type ? new (string, object)[] { ("STATIC", type.CudaName()) } : [],
        ("RESIDUAL", Residual ? 1 : 0),
        ("PACKED", Packed ? 1 : 0),
        ("WARPS", Warps),
    ];

    /// <summary>
    /// The widest accesses that shapes and alignment allow.
    /// </summary>
    /// <param name="inputs">The convolution.</param>
    /// <param name="heads">Its filters k, if any.</param>
    /// <param name="rows">What is read and written of x's shape.</param>
    /// <param name="headGradient">Where the gradient of k goes.</param>
    public static HeadWiseKey Of(
        ConvolutionInputs inputs, Tensor? heads, ReadOnlySpan<Tensor?> rows, Tensor? headGradient = null)
    {
        DType type = inputs.X.DType;
        int most = AccessBytes / type.SizeInBytes();
        long headSize = heads is null ? 0 : inputs.Channels / heads.Shape[2];
        int channels = KernelRows.Pack(inputs.InitialState, KernelRows.Pack(inputs.X, most));
        foreach (Tensor? tensor in rows)
        {
            channels = KernelRows.Pack(tensor, channels);
        }

        while (channels > 1 && !Suits(inputs, headSize, channels, most))
        {
            channels /= 2;
        }

        int count = heads is null ? 0 : (int)Math.Max(1, channels / headSize);
        long lanes = heads is null ? 0 : Math.Max(1, headSize / channels);
        int pack = KernelRows.Pack(headGradient, KernelRows.Pack(heads, most));
        while ((count * inputs.Width % pack) != 0)
        {
            pack /= 2;
        }

        return new HeadWiseKey(
            type,
            inputs.StaticWeight?.DType,
            inputs.Width,
            channels,
            count,
            lanes <= Lane && long.IsPow2(lanes) ? (int)lanes : 0,
            pack,
            inputs.Residual,
            inputs.Sequences.Packed is not null);
    }

    private static bool Suits(ConvolutionInputs inputs, long headSize, int channels, int most)
    {
        bool fits = inputs.Channels % channels == 0 && channels * inputs.Width <= MostTaps;
        bool fillsWarp = inputs.Channels > Lane * channels / 2;
        bool dividesHeads = headSize == 0 || headSize % channels == 0;
        bool gathersHeads = headSize > 0 && channels % headSize == 0 && channels / headSize * inputs.Width <= most;
        return fits && fillsWarp && (dividesHeads || gathersHeads);
    }
}
