using System.Text.Json.Nodes;
using DynConv.Models.Layers;
using DynConv.Modules;

namespace DynConv.Models;

/// <summary>The settings of a short convolution, wherever it stands.</summary>
public sealed record ShortConvolutionConfiguration
{
    /// <summary>How filters are made.</summary>
    public ShortConvolutionKind Kind { get; init; } = ShortConvolutionKind.LowRank;

    /// <summary>Taps of a filter, 1 to 16; tap 0 is the current token.</summary>
    public int Width { get; init; } = 4;

    /// <summary>Size of the bottleneck of <see cref="ShortConvolutionKind.LowRank"/>.</summary>
    public int Rank { get; init; } = 16;

    /// <summary>Neighbouring channels that share a filter of <see cref="ShortConvolutionKind.HeadWise"/>.</summary>
    public int HeadSize { get; init; } = 16;

    /// <summary>Whether the convolution's input is added to its output. Always true in the paper.</summary>
    public bool Residual { get; init; } = true;

    /// <summary>In words, as in <c>low-rank convolutions on q,k,v, width 4, rank 16</c>.</summary>
    /// <param name="placement">Linear layers that they follow.</param>
    public string Describe(IEnumerable<string> placement)
    {
        string place = string.Join(',', placement);
        return Kind switch
        {
            ShortConvolutionKind.Static => $"static convolutions on {place}, width {Width}",
            ShortConvolutionKind.HeadWise => $"head-wise convolutions on {place}, width {Width}, head size {HeadSize}",
            _ => $"low-rank convolutions on {place}, width {Width}, rank {Rank}",
        };
    }

    /// <summary>Rows of the generator that makes filters for <paramref name="channels"/> channels; 0 where they are static.</summary>
    internal int GeneratorSize(int channels) => Kind switch
    {
        ShortConvolutionKind.HeadWise => channels / HeadSize * Width,
        ShortConvolutionKind.LowRank => Rank,
        _ => 0,
    };

    /// <summary>Parameters and operations of a token behind a linear layer, the generator's included.</summary>
    internal PartCount Count(string part, LinearLayer layer)
    {
        long filter = (long)Width * layer.Outputs;
        long generator = (long)GeneratorSize(layer.Outputs) * layer.Inputs;
        long mixture = Kind == ShortConvolutionKind.LowRank ? Rank * filter : 0;
        long products = generator + mixture + filter;
        return new PartCount(part, products + (layer.ConvolutionBias ? layer.Outputs : 0), PartCount.MultiplyAdd * products);
    }

    /// <summary>The convolution behind a layer.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="random">Where its own weights come from.</param>
    /// <param name="generator">The rows of the layer's weight that make its filters; null where they are static.</param>
    /// <param name="device">Where its weights live.</param>
    internal ShortConvolution Create(LinearLayer layer, RandomSource random, Parameter? generator, Device device) => Kind switch
    {
        ShortConvolutionKind.HeadWise => new HeadWiseShortConvolution(
            layer.Outputs, layer.Inputs, Width, HeadSize, random, Residual, generator, device, layer.ConvolutionBias, layer.Activation),
        ShortConvolutionKind.LowRank => new LowRankShortConvolution(
            layer.Outputs, layer.Inputs, Width, Rank, random, Residual, generator, device, layer.ConvolutionBias, layer.Activation),
        _ => new StaticShortConvolution(layer.Outputs, Width, random, Residual, device, layer.ConvolutionBias, layer.Activation),
    };

    internal void Validate()
    {
        if (Width is < 1 or > 16)
        {
            throw new DynConvException($"A convolution's width is {Width}; it can be 1 to 16.");
        }

        if (Kind == ShortConvolutionKind.LowRank)
        {
            Require.Channels("A low-rank convolution's rank", Rank);
        }

        if (Kind == ShortConvolutionKind.HeadWise && HeadSize < 1)
        {
            throw new DynConvException($"A head-wise convolution's head size is {HeadSize}; it has to be at least 1.");
        }
    }

    internal static ShortConvolutionConfiguration Read(JsonSection section)
    {
        var defaults = new ShortConvolutionConfiguration();
        return new ShortConvolutionConfiguration
        {
            Kind = ShortConvolutionKinds.Parse(section.RequiredString("kind")),
            Width = section.RequiredInt("width"),
            Rank = section.Int("rank") ?? defaults.Rank,
            HeadSize = section.Int("head_size") ?? defaults.HeadSize,
            Residual = section.Bool("residual") ?? defaults.Residual,
        };
    }

    internal JsonObject ToJson() => new()
    {
        ["kind"] = Kind.Name(),
        ["width"] = Width,
        ["rank"] = Rank,
        ["head_size"] = HeadSize,
        ["residual"] = Residual,
    };
}

/// <summary>A short convolution behind a linear layer.</summary>
/// <param name="Layer">The linear layer's name, as in <c>q</c>.</param>
/// <param name="Convolution">The convolution's settings.</param>
public sealed record PlacedConvolution(string Layer, ShortConvolutionConfiguration Convolution);
