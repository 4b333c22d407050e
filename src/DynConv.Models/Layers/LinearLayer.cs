using DynConv.Ops;

namespace DynConv.Models.Layers;

/// <summary>A linear layer inside a mixer; its output is where a short convolution may stand.</summary>
/// <param name="Name">Its name inside the mixer, as in <c>q</c>: the weight is <c>q_proj.weight</c>, the convolution <c>q_conv</c>.</param>
/// <param name="Inputs">Input channels.</param>
/// <param name="Outputs">Output channels.</param>
/// <param name="Bias">Whether a learned number is added to each output.</param>
public sealed record LinearLayer(string Name, int Inputs, int Outputs, bool Bias = false)
{
    /// <summary>Applied to its outputs, behind the convolution if there is one.</summary>
    public ConvolutionActivation Activation { get; init; }

    /// <summary>Whether the convolution behind it adds a learned number to each channel, before the activation.</summary>
    public bool ConvolutionBias { get; init; }

    /// <summary>The convolution behind it; null for none.</summary>
    public ShortConvolutionConfiguration? Convolution { get; init; }

    /// <summary>Its parameters and operations, without the convolution's.</summary>
    internal PartCount Count(string part)
    {
        long products = (long)Inputs * Outputs;
        return new PartCount(part, products + (Bias ? Outputs : 0), PartCount.MultiplyAdd * products);
    }
}
