namespace DynConv.Models.Layers;

/// <summary>Which half of a layer a mixer is.</summary>
public enum MixerRole
{
    /// <summary>The first: tokens see those before them.</summary>
    Sequence,

    /// <summary>The second: each token is worked on by itself.</summary>
    Channel,
}

/// <summary>A kind of mixer, as files name it.</summary>
/// <param name="Name">As in <c>attention</c>; <see cref="MixerConfiguration.Type"/> of its settings.</param>
/// <param name="Role">Which half of a layer it can be.</param>
/// <param name="Read">
/// Reads its settings from a section for a model of so many channels between layers; what the section leaves out has a default.
/// </param>
public sealed record MixerKind(string Name, MixerRole Role, Func<JsonSection, int, MixerConfiguration> Read);

/// <summary>All kinds of mixers that configurations can name.</summary>
public static class MixerKinds
{
    private static readonly Lock Changes = new();

    private static IReadOnlyList<MixerKind> _all =
    [
        new(AttentionConfiguration.Name, MixerRole.Sequence, AttentionConfiguration.Read),
        new(FeedForwardConfiguration.Name, MixerRole.Channel, FeedForwardConfiguration.Read),
    ];

    /// <summary>The kinds there are.</summary>
    public static IReadOnlyList<MixerKind> All => _all;

    /// <summary>
    /// Adds a kind from outside of this library, for the whole process; to be called before configurations that name it are
    /// read. Doing so again with the same kind has no effect.
    /// </summary>
    /// <param name="kind">The kind.</param>
    /// <exception cref="DynConvException">There is another one of that name.</exception>
    public static void Register(MixerKind kind)
    {
        lock (Changes)
        {
            MixerKind? known = _all.FirstOrDefault(other => other.Name == kind.Name);
            if (known is not null && known != kind)
            {
                throw new DynConvException($"There is a kind of mixer called '{kind.Name}' already.");
            }

            _all = known is null ? [.. _all, kind] : _all;
        }
    }

    /// <summary>Reads the settings of any mixer, as <see cref="MixerConfiguration.ToJson"/> writes them.</summary>
    /// <param name="section">Its <c>type</c>, its settings and, in <c>short_conv</c>, its convolutions by linear layer.</param>
    /// <param name="role">Which half of a layer it is to be.</param>
    /// <param name="hiddenSize">Channels between the model's layers, D.</param>
    /// <exception cref="DynConvException">There is no such mixer, or a setting is unknown, missing or of another type.</exception>
    public static MixerConfiguration Read(JsonSection section, MixerRole role, int hiddenSize)
    {
        MixerConfiguration mixer = Find(section.RequiredString(MixerConfiguration.TypeKey), role).Read(section, hiddenSize);
        JsonSection? convolutions = section.Section(MixerConfiguration.ConvolutionKey);
        section.RefuseOthers();
        if (convolutions is not null)
        {
            mixer = mixer with { Convolutions = [.. convolutions.Keys.Select(Placed)] };
        }

        try
        {
            mixer.ValidateAll(hiddenSize);
            return mixer;
        }
        catch (DynConvException exception)
        {
            throw new DynConvException($"{section.Name}: {exception.Message}", exception);
        }

        PlacedConvolution Placed(string layer)
        {
            JsonSection settings = convolutions.RequiredSection(layer);
            var placed = new PlacedConvolution(layer, ShortConvolutionConfiguration.Read(settings));
            settings.RefuseOthers();
            return placed;
        }
    }

    /// <summary>The kind of a name.</summary>
    /// <exception cref="DynConvException">There is none that can be this half of a layer.</exception>
    internal static MixerKind Find(string name, MixerRole role)
    {
        MixerKind[] kinds = [.. All.Where(kind => kind.Role == role)];
        return Array.Find(kinds, kind => kind.Name == name) ?? throw new DynConvException(
            $"There is no {(role == MixerRole.Sequence ? "sequence" : "channel")} mixer '{name}'; there {(kinds.Length == 1 ? "is" : "are")} {string.Join(", ", kinds.Select(kind => kind.Name))}.");
    }
}
