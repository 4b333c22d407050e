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

/// <summary>The kinds of mixers that a configuration can name: those of this library, and what a program adds to them.</summary>
public sealed record MixerKinds
{
    private MixerKinds(IEnumerable<MixerKind> all) => All = ValueList<MixerKind>.Of(all);

    /// <summary>The kinds of this library.</summary>
    public static MixerKinds BuiltIn { get; } = new(
    [
        new(AttentionConfiguration.Name, MixerRole.Sequence, AttentionConfiguration.Read),
        new(GatedDeltaNetConfiguration.Name, MixerRole.Sequence, GatedDeltaNetConfiguration.Read),
        new(Mamba2Configuration.Name, MixerRole.Sequence, Mamba2Configuration.Read),
        new(FeedForwardConfiguration.Name, MixerRole.Channel, FeedForwardConfiguration.Read),
    ]);

    /// <summary>The kinds there are.</summary>
    public IReadOnlyList<MixerKind> All { get; }

    /// <summary>These kinds and one more; the same if it is among them.</summary>
    /// <param name="kind">A kind from outside of this library.</param>
    /// <exception cref="DynConvException">There is another one of that name.</exception>
    public MixerKinds With(MixerKind kind)
    {
        ArgumentNullException.ThrowIfNull(kind);
        MixerKind? known = All.FirstOrDefault(other => other.Name == kind.Name);
        return known is null ? new MixerKinds([.. All, kind])
            : known == kind ? this
            : throw new DynConvException($"There is a kind of mixer called '{kind.Name}' already.");
    }

    /// <summary>Reads the settings of any mixer, as <see cref="MixerConfiguration.ToJson"/> writes them.</summary>
    /// <param name="section">Its <c>type</c>, its settings and, in <c>short_conv</c>, its convolutions by linear layer.</param>
    /// <param name="role">Which half of a layer it is to be.</param>
    /// <param name="hiddenSize">Channels between the model's layers, D.</param>
    /// <exception cref="DynConvException">There is no such mixer, or a setting is unknown, missing or of another type.</exception>
    public MixerConfiguration Read(JsonSection section, MixerRole role, int hiddenSize)
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
    internal MixerKind Find(string name, MixerRole role)
    {
        MixerKind[] kinds = [.. All.Where(kind => kind.Role == role)];
        return Array.Find(kinds, kind => kind.Name == name) ?? throw new DynConvException(
            $"There is no {(role == MixerRole.Sequence ? "sequence" : "channel")} mixer '{name}'; there {(kinds.Length == 1 ? "is" : "are")} {string.Join(", ", kinds.Select(kind => kind.Name))}.");
    }
}
