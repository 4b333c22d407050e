namespace DynConv.Models;

/// <summary>How many parameters a model has, by part, worked out from its configuration alone.</summary>
/// <param name="Parts">Part and count, in the order in which a token meets them.</param>
public sealed record ParameterCounts(IReadOnlyList<KeyValuePair<string, long>> Parts)
{
    /// <summary>All parameters; a tied output layer counts once.</summary>
    public long Total => Parts.Sum(part => part.Value);

    /// <summary>Counts the parameters of a model.</summary>
    /// <param name="configuration">Its shape.</param>
    public static ParameterCounts Of(ModelConfiguration configuration)
    {
        ModelConfiguration c = configuration.Validate();
        long hidden = c.HiddenSize;
        var parts = new List<KeyValuePair<string, long>>
        {
            new("embedding", c.VocabularySize * hidden),
            new("attention", c.Layers * hidden * (2L * c.QuerySize + 2L * c.KeyValueSize)),
            new("feed-forward", c.Layers * hidden * 3 * c.IntermediateSize),
        };
        if (c.ShortConvolution is { } convolution)
        {
            parts.Add(new("short convolutions", c.Layers * convolution.Placement.Sum(name => Convolution(c, convolution, name))));
        }

        parts.Add(new("norms", (c.Layers * 2 * hidden) + hidden + (c.QkNorm ? 2L * c.Layers * c.HeadDimension : 0)));
        if (!c.TiedEmbeddings)
        {
            parts.Add(new("output", c.VocabularySize * hidden));
        }

        return new ParameterCounts(parts);
    }

    private static long Convolution(ModelConfiguration c, ShortConvolutionConfiguration convolution, string name)
    {
        long input = c.InputSize(name);
        long channels = c.OutputSize(name);
        long width = convolution.Width;
        long generator = convolution.Kind switch
        {
            ShortConvolutionKind.HeadWise => channels / convolution.HeadSize * width * input,
            ShortConvolutionKind.LowRank => convolution.Rank * (input + (width * channels)),
            _ => 0,
        };
        return generator + (width * channels);
    }
}
