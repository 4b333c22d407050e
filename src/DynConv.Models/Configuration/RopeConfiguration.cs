using System.Text.Json.Nodes;
using DynConv.Ops;

namespace DynConv.Models;

/// <summary>Rotary position embedding: base and, for models stretched to long contexts, Llama 3's scaling.</summary>
public sealed record RopeConfiguration
{
    private const string PartKey = "partial_rotary_factor";

    /// <summary>Base of the falling frequencies.</summary>
    public double Theta { get; init; } = 10_000;

    /// <summary>How low frequencies are slowed down; null for none.</summary>
    public Llama3RopeScaling? Scaling { get; init; }

    /// <summary>Radians a position for each pair of channels, <c>theta^(-2i/K)</c>, after scaling.</summary>
    /// <param name="headDimension">K, even.</param>
    public double[] Frequencies(int headDimension)
    {
        double[] frequencies = RopeTable.Frequencies(Theta, headDimension);
        return Scaling is null ? frequencies : Array.ConvertAll(frequencies, Scaling.Apply);
    }

    internal void Validate()
    {
        if (!(Theta > 0) || !double.IsFinite(Theta))
        {
            throw new DynConvException($"rope_theta is {Theta}; it has to be above 0.");
        }

        Scaling?.Validate();
    }

    /// <summary>Newer files keep the base and the scaling together in rope_parameters, older ones apart.</summary>
    internal static RopeConfiguration Read(JsonSection section)
    {
        JsonSection? scaling = section.Section("rope_scaling");
        JsonSection? parameters = section.Section("rope_parameters") ?? scaling;
        double? theta = section.Double("rope_theta");
        string type = TypeOf(parameters);
        if (scaling is not null && TypeOf(scaling) != type)
        {
            throw new DynConvException($"rope_parameters are of type '{type}', and rope_scaling is of type '{TypeOf(scaling)}'; one of them has to go.");
        }

        RefuseParts(section);
        RefuseParts(parameters);
        RefuseParts(scaling);
        return new RopeConfiguration
        {
            Theta = parameters?.Double("rope_theta") ?? theta ?? 10_000,
            Scaling = type switch
            {
                "default" => null,
                Llama3RopeScaling.Type => Llama3RopeScaling.Read(parameters!),
                _ => throw new DynConvException($"rope_type is '{type}'; default and {Llama3RopeScaling.Type} can be read."),
            },
        };
    }

    /// <summary>The type of the scaling. Without one it is none, as long as nothing is said that only a scaling has.</summary>
    private static string TypeOf(JsonSection? section)
    {
        const string None = "default";
        if (section is null)
        {
            return None;
        }

        string? type = section.String("rope_type") ?? section.String("type");
        bool scales = section.Name.EndsWith("rope_scaling", StringComparison.Ordinal)
            || section.Keys.Any(static key => key is not ("rope_theta" or "rope_type" or "type" or PartKey) && !IsForLayers(key));
        return type ?? (scales
            ? throw new DynConvException($"{section.Name} has no rope_type; {None} and {Llama3RopeScaling.Type} can be read.")
            : None);
    }

    /// <summary>Some models rotate a part of each head, or differently in different layers.</summary>
    private static void RefuseParts(JsonSection? section)
    {
        if (section?.Double(PartKey) is { } part && part != 1)
        {
            throw new DynConvException($"{PartKey} is {part}; only the rotation of whole heads is computed here.");
        }

        if (section?.Keys.FirstOrDefault(IsForLayers) is { } layer)
        {
            throw new DynConvException($"The rotary embedding has parameters for {layer}; only one for all layers is computed here.");
        }
    }

    private static bool IsForLayers(string key) => key.EndsWith("_attention", StringComparison.Ordinal);

    internal void Write(JsonObject section)
    {
        section["rope_theta"] = Theta;
        if (Scaling is not null)
        {
            section["rope_scaling"] = Scaling.ToJson();
        }
    }
}

/// <summary>
/// Llama 3.1's <c>rope_scaling</c>: wavelengths longer than the original context are stretched by a factor, short ones
/// stay, and those between change over smoothly.
/// </summary>
/// <param name="Factor">By how much long wavelengths are stretched.</param>
/// <param name="LowFrequencyFactor">The original context over this is the wavelength from which all is stretched.</param>
/// <param name="HighFrequencyFactor">The original context over this is the wavelength up to which nothing is.</param>
/// <param name="OriginalMaxPositions">Context before the stretching, in tokens.</param>
public sealed record Llama3RopeScaling(
    double Factor, double LowFrequencyFactor, double HighFrequencyFactor, int OriginalMaxPositions)
{
    internal const string Type = "llama3";

    private const string FactorKey = "factor";
    private const string LowKey = "low_freq_factor";
    private const string HighKey = "high_freq_factor";
    private const string PositionsKey = "original_max_position_embeddings";

    internal static Llama3RopeScaling Read(JsonSection section) => new(
        section.RequiredDouble(FactorKey),
        section.RequiredDouble(LowKey),
        section.RequiredDouble(HighKey),
        section.RequiredInt(PositionsKey));

    internal JsonObject ToJson() => new()
    {
        ["rope_type"] = Type,
        [FactorKey] = Factor,
        [LowKey] = LowFrequencyFactor,
        [HighKey] = HighFrequencyFactor,
        [PositionsKey] = OriginalMaxPositions,
    };

    internal void Validate()
    {
        if (!(Factor > 0) || !double.IsFinite(Factor))
        {
            throw new DynConvException($"rope_scaling.factor is {Factor}; it has to be above 0.");
        }

        if (!(LowFrequencyFactor > 0 && HighFrequencyFactor > LowFrequencyFactor))
        {
            throw new DynConvException(
                $"rope_scaling has low_freq_factor {LowFrequencyFactor} and high_freq_factor {HighFrequencyFactor}; the low one has to be above 0 and below the high one.");
        }

        if (OriginalMaxPositions < 1)
        {
            throw new DynConvException(
                $"rope_scaling.original_max_position_embeddings is {OriginalMaxPositions}; it has to be at least 1.");
        }
    }

    internal double Apply(double frequency)
    {
        double wavelength = 2 * Math.PI / frequency;
        double smooth = ((OriginalMaxPositions / wavelength) - LowFrequencyFactor) / (HighFrequencyFactor - LowFrequencyFactor);
        return smooth >= 1 ? frequency
            : smooth <= 0 ? frequency / Factor
            : ((1 - smooth) * frequency / Factor) + (smooth * frequency);
    }
}
