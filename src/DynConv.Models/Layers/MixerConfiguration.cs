using System.Text.Json.Nodes;

namespace DynConv.Models.Layers;

/// <summary>
/// The settings of a mixer, which is half of a layer. They make the mixer, name its linear layers, count what it costs and
/// stand in <c>config.json</c>: all that the rest of the code knows of a kind of mixer.
/// </summary>
public abstract record MixerConfiguration
{
    /// <summary>The part that convolutions and their generators are counted under.</summary>
    public const string ConvolutionPart = "short convolutions";

    /// <summary>The key of <see cref="Type"/> in files.</summary>
    public const string TypeKey = "type";

    /// <summary>The key of <see cref="Convolutions"/> in files.</summary>
    public const string ConvolutionKey = "short_conv";

    /// <summary>Its kind's name in files, one of <see cref="MixerKinds"/>.</summary>
    public abstract string Type { get; }

    /// <summary>What its parameters' names begin with inside a layer, as in <c>self_attn</c>.</summary>
    public abstract string ModuleName { get; }

    /// <summary>
    /// The convolutions that a mixer of this kind has where nothing is said of them, and keeps where others are placed elsewhere: those
    /// of Gated DeltaNet and Mamba-2, which are part of what these are. A kind that has some sets <see cref="Convolutions"/> to them.
    /// </summary>
    public virtual IReadOnlyList<PlacedConvolution> OwnConvolutions => [];

    /// <summary>The short convolutions in it.</summary>
    public IReadOnlyList<PlacedConvolution> Convolutions
    {
        get;
        init => field = ValueList<PlacedConvolution>.Of(value);
    } = ValueList<PlacedConvolution>.Of([]);

    /// <summary>All linear layers that a convolution can follow, in the order in which a token meets them.</summary>
    /// <param name="hiddenSize">Channels between layers, D.</param>
    public abstract IReadOnlyList<LinearLayer> LinearLayers(int hiddenSize);

    /// <summary>Makes the mixer.</summary>
    /// <param name="factory">Makes its weights; names are those inside of <see cref="ModuleName"/>.</param>
    /// <param name="model">The model that it is for.</param>
    public abstract Mixer Create(ParameterFactory factory, ModelConfiguration model);

    /// <summary>What it costs by part, convolutions left out; <see cref="CountLinear"/> counts its linear layers.</summary>
    /// <param name="hiddenSize">Channels between layers, D.</param>
    /// <param name="context">Tokens of a sequence, T.</param>
    public abstract IEnumerable<PartCount> CountParts(int hiddenSize, int context);

    /// <summary>Throws <see cref="DynConvException"/> with one sentence if the numbers do not make a mixer.</summary>
    /// <param name="hiddenSize">Channels between layers, D.</param>
    public abstract void Validate(int hiddenSize);

    /// <summary>Writes the settings as its kind's <see cref="MixerKind.Read"/> reads them; not the convolutions.</summary>
    /// <param name="section">Where to put the keys.</param>
    public abstract void Write(JsonObject section);

    /// <summary>
    /// What sets it apart from others of its kind, sizes left out: runs of several sizes with the same description are one
    /// architecture.
    /// </summary>
    public virtual string Describe() => Type;

    /// <summary>Linear layers with the convolutions that follow them, for <see cref="ConvolvedLinear"/>.</summary>
    /// <param name="hiddenSize">Channels between layers, D.</param>
    /// <param name="names">Which of <see cref="LinearLayers"/>; all of them if none is named.</param>
    public IReadOnlyList<LinearLayer> Convolved(int hiddenSize, params IReadOnlyCollection<string> names) =>
    [
        .. from layer in LinearLayers(hiddenSize)
           where names.Count == 0 || names.Contains(layer.Name)
           select layer with { Convolution = Convolutions.FirstOrDefault(placed => placed.Layer == layer.Name)?.Convolution },
    ];

    /// <summary>Parameters and operations of all linear layers, without convolutions.</summary>
    /// <param name="part">The part that they are counted under.</param>
    /// <param name="hiddenSize">Channels between layers, D.</param>
    protected IEnumerable<PartCount> CountLinear(string part, int hiddenSize) =>
        LinearLayers(hiddenSize).Select(layer => layer.Count(part));

    /// <summary>All that it costs, convolutions included.</summary>
    internal IEnumerable<PartCount> Count(int hiddenSize, int context) =>
    [
        .. CountParts(hiddenSize, context),
        .. Convolved(hiddenSize).Where(layer => layer.Convolution is not null)
            .Select(layer => layer.Convolution!.Count(ConvolutionPart, layer)),
    ];

    internal void ValidateAll(int hiddenSize)
    {
        Validate(hiddenSize);
        string[] names = [.. LinearLayers(hiddenSize).Select(layer => layer.Name)];
        if (Convolutions.GroupBy(placed => placed.Layer).FirstOrDefault(group => group.Count() > 1) is { } twice)
        {
            throw new DynConvException($"Two convolutions follow {twice.Key} in {Type}; there can be one.");
        }

        foreach ((string layer, ShortConvolutionConfiguration convolution) in Convolutions)
        {
            convolution.Validate();
            if (!names.Contains(layer))
            {
                throw new DynConvException(
                    $"There is no linear layer '{layer}' to place a convolution on in {Type}; it has {string.Join(", ", names)}.");
            }
        }
    }

    /// <summary>
    /// The same mixer with a convolution behind those of its linear layers that are named, and its own behind others; null for its own
    /// alone.
    /// </summary>
    internal MixerConfiguration WithConvolutions(
        int hiddenSize, ShortConvolutionConfiguration? convolution, IReadOnlyCollection<string> placement) => this with
    {
        Convolutions =
        [
            .. from layer in LinearLayers(hiddenSize)
               let placed = convolution is not null && placement.Contains(layer.Name)
                   ? new PlacedConvolution(layer.Name, convolution)
                   : OwnConvolutions.FirstOrDefault(own => own.Layer == layer.Name)
               where placed is not null
               select placed,
        ],
    };

    /// <summary>The settings with their kind and convolutions, as <see cref="MixerKinds.Read"/> reads them.</summary>
    public JsonObject ToJson()
    {
        var section = new JsonObject { [TypeKey] = Type };
        Write(section);
        if (!Convolutions.SequenceEqual(OwnConvolutions))
        {
            section[ConvolutionKey] = new JsonObject(Convolutions.Select(placed =>
                KeyValuePair.Create(placed.Layer, (JsonNode?)placed.Convolution.ToJson())));
        }

        return section;
    }
}
