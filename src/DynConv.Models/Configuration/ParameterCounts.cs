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
        long vocabulary = (long)c.VocabularySize * c.HiddenSize;
        return new ParameterCounts(PartCount.Sum(
            [
                new("embedding", vocabulary, 0),
                .. c.Mixers.SelectMany(mixer => mixer.Count(c.HiddenSize, context: 1)),
                new("norms", (c.Mixers.Count() + 1L) * c.HiddenSize, 0),
                new("output", c.TiedEmbeddings ? 0 : vocabulary, 0),
            ],
            part => part.Parameters));
    }
}
