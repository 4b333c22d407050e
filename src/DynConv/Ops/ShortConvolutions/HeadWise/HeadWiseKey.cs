using DynConv.Cuda;

namespace DynConv.Ops;

/// <summary>What the kernels of head_wise_*.cu are specialised by; their sources say what each number means.</summary>
/// <param name="Type">Of the activations.</param>
/// <param name="Static">Of the static weight; null without one.</param>
/// <param name="Width">W.</param>
/// <param name="Channels">Channels of a lane.</param>
/// <param name="Heads">Heads that a lane's channels belong to; 0 in a static convolution.</param>
/// <param name="Lanes">Lanes that share a head; 0 where no power of two up to 32 of them does.</param>
/// <param name="FilterPack">Elements of k read at a time.</param>
/// <param name="StaticPack">Elements of the static weight read at a time; 0 without one.</param>
/// <param name="Residual">Whether x is added.</param>
/// <param name="Packed">Whether sequences are packed.</param>
/// <param name="Finish">What becomes of the sums, forward.</param>
internal readonly record struct HeadWiseKey(
    DType Type,
    DType? Static,
    int Width,
    int Channels,
    int Heads,
    int Lanes,
    int FilterPack,
    int StaticPack,
    bool Residual,
    bool Packed,
    ConvolutionFinishKind Finish = ConvolutionFinishKind.Plain)
{
    /// <summary>Warps of a block of the backward kernel.</summary>
    public const int Warps = 4;

    /// <summary>Threads of a block of the backward kernel.</summary>
    public const int BackwardThreads = Warps * Lane;

    private const int Lane = 32;
    private const int AccessBytes = 16;

    // Backward, a lane keeps W rows of its channels four times over: filters, inputs, gradients of inputs and of filters.
    // Forward, the same limit leaves room for several tokens.
    private const int MostTaps = 32;

    // Without heads a lane of 4 channels has few enough registers for twice the warps, and is faster so.
    private const int MostChannelsBackward = 4;

    // Forward, a thread keeps its rows of x, its filters, the static weight and the rest in registers, of which it has 128.
    private const int MostTokens = 8;
    private const int MostWords = 96;
    private const int WordBytes = 4;

    /// <summary>Channels of a warp.</summary>
    public long GroupChannels => Lane * Channels;

    /// <summary>Tokens of a thread of the forward kernel.</summary>
    public int Tokens
    {
        get
        {
            int tokens = MostTokens;
            while (tokens > 1 && Words(tokens) > MostWords)
            {
                tokens /= 2;
            }

            return tokens;
        }
    }

    public (string Name, object Value)[] ForwardMacros => [.. Macros, ("TOKENS", Tokens), KernelFinish.Macro(Finish)];

    public (string Name, object Value)[] BackwardMacros => [.. Macros, ("WARPS", Warps)];

    private (string Name, object Value)[] Macros =>
    [
        ("ELEMENT", Type.CudaName()),
        ("WIDTH", Width),
        ("CHANNELS", Channels),
        ("HEADS", Heads),
        ("LANES", Lanes),
        ("FILTER_PACK", FilterPack),
        .. Static is { } type ? new (string, object)[] { ("STATIC_WEIGHT", type.CudaName()), ("STATIC_PACK", StaticPack) } : [],
        ("RESIDUAL", Residual ? 1 : 0),
        ("PACKED", Packed ? 1 : 0),
    ];

    /// <summary>The widest accesses forward that shapes and alignment allow.</summary>
    /// <param name="inputs">The convolution.</param>
    /// <param name="heads">Its filters k, if any.</param>
    /// <param name="finish">What becomes of the sums.</param>
    /// <param name="y">The result.</param>
    public static HeadWiseKey Forward(ConvolutionInputs inputs, Tensor? heads, ConvolutionFinish finish, Tensor y) =>
        Of(inputs, heads, [y, finish.Dy], null, AccessBytes / inputs.X.DType.SizeInBytes(), fillsWarps: false) with { Finish = finish.Kind };

    /// <summary>The widest accesses backward that shapes, alignment and a lane's registers allow.</summary>
    /// <param name="inputs">The convolution.</param>
    /// <param name="heads">Its filters k, if any.</param>
    /// <param name="dy">The gradient of the result.</param>
    /// <param name="dx">Where the gradient of x goes.</param>
    /// <param name="headGradient">Where the gradient of k goes.</param>
    public static HeadWiseKey Backward(ConvolutionInputs inputs, Tensor? heads, Tensor dy, Tensor? dx, Tensor? headGradient)
    {
        int most = AccessBytes / inputs.X.DType.SizeInBytes();
        int channels = heads is null ? Math.Min(most, MostChannelsBackward) : most;
        return Of(inputs, heads, [dy, dx], headGradient, channels, fillsWarps: true);
    }

    private static HeadWiseKey Of(
        ConvolutionInputs inputs,
        Tensor? heads,
        ReadOnlySpan<Tensor?> rows,
        Tensor? headGradient,
        int mostChannels,
        bool fillsWarps)
    {
        DType type = inputs.X.DType;
        int most = AccessBytes / type.SizeInBytes();
        long headSize = heads is null ? 0 : inputs.Channels / heads.Shape[2];
        int channels = KernelRows.Pack(inputs.InitialState, KernelRows.Pack(inputs.X, mostChannels));
        foreach (Tensor? tensor in rows)
        {
            channels = KernelRows.Pack(tensor, channels);
        }

        while (channels > 1 && !Suits(inputs, headSize, channels, most, fillsWarps))
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
            inputs.StaticWeight is { } s
                ? KernelRows.Pack(s, Math.Min(channels, AccessBytes / s.DType.SizeInBytes()), outerDimensions: 1)
                : 0,
            inputs.Residual,
            inputs.Sequences.Packed is not null);
    }

    private static bool Suits(ConvolutionInputs inputs, long headSize, int channels, int most, bool fillsWarps)
    {
        bool fits = inputs.Channels % channels == 0 && channels * inputs.Width <= MostTaps;
        bool isNarrow = fillsWarps && inputs.Channels <= Lane * channels / 2;
        bool dividesHeads = headSize == 0 || headSize % channels == 0;
        bool gathersHeads = headSize > 0 && channels % headSize == 0 && channels / headSize * inputs.Width <= most;
        return fits && !isNarrow && (dividesHeads || gathersHeads);
    }

    private int Words(int tokens)
    {
        int row = WordsOf(Channels, Type);
        int filters = WordsOf(Heads * Width, Type);
        int statics = Static is { } type ? WordsOf(Channels, type) : 0;
        int upstream = Finish == ConvolutionFinishKind.SiluGradient ? tokens * row : 0;
        int bias = Finish == ConvolutionFinishKind.Plain ? 0 : Channels;
        return ((tokens + Width - 1) * row) + (tokens * filters) + (Width * statics) + upstream + bias;
    }

    private static int WordsOf(int elements, DType type) => ((elements * type.SizeInBytes()) + WordBytes - 1) / WordBytes;
}
