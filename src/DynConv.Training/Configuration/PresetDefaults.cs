using DynConv.Models;

namespace DynConv.Training;

/// <summary>How a preset is trained where nothing else is said.</summary>
internal sealed record PresetDefaults(int Context, int Batch, double LearningRate, Func<long, long> Steps)
{
    // The paper trains on about 50 tokens a parameter.
    private const long TokensPerParameter = 50;

    /// <summary>For a model that has been trained already.</summary>
    public static PresetDefaults OfModel(int maxPositions) => new(Math.Min(maxPositions, 1024), 4, 1e-4, static _ => 1000);

    public static PresetDefaults Of(string preset)
    {
        ModelConfiguration shape = Presets.Get(preset);
        return preset switch
        {
            "nano" or "nano-gdn" or "nano-mamba2" => new(256, 16, 3e-3, static _ => 600),
            "micro" => new(256, 12, 1e-3, static _ => 2000),
            _ => new(shape.MaxPositions, 4, 3e-4, perStep => ParameterCounts.Of(shape).Total * TokensPerParameter / perStep),
        };
    }
}
