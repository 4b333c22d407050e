using DynConv.Models.HuggingFace;
using DynConv.Models.Layers;
using DynConv.Models.Tokenizers;
using DynConv.Modules;
using DynConv.Serialization;

namespace DynConv.Models;

/// <summary>
/// A model on disk as Hugging Face lays it out: <c>config.json</c> and <c>model.safetensors</c>, the latter in one file
/// or in several with an index, and the tokenizer beside them.
/// </summary>
public static class ModelFolder
{
    /// <summary>Name of the file with the model's shape.</summary>
    public const string ConfigurationFileName = "config.json";

    /// <summary>Name of the file with the tokenizer.</summary>
    public const string TokenizerFileName = "tokenizer.json";

    private const string EmbeddingName = "model.embed_tokens.weight";
    private const string OutputName = "lm_head.weight";

    /// <summary>Reads a model.</summary>
    /// <param name="folder">A folder written by this library or, for a <c>model_type</c> that is known here, by another tool.</param>
    /// <param name="device">Where the weights go; the CPU if not given.</param>
    /// <param name="dtype">What the model computes in: float32, or bfloat16 on CUDA.</param>
    /// <param name="mixers">The kinds of mixers that it may have; this library's if not given.</param>
    public static LanguageModel Load(string folder, Device? device = null, DType dtype = DType.Float32, MixerKinds? mixers = null)
    {
        if (!Directory.Exists(folder))
        {
            throw new DynConvException($"There is no model folder {folder}.");
        }

        (ModelConfiguration configuration, ModelFormat format) =
            ConfigurationFile.ReadWithFormat(Path.Combine(folder, ConfigurationFileName), mixers);
        return Make(folder, configuration, format, static (_, _) => [], device, dtype);
    }

    /// <summary>
    /// Reads a model into a shape that has convolutions which the folder's model lacks. They begin as the identity, so that the
    /// model computes what it did.
    /// </summary>
    /// <param name="folder">As <see cref="Load"/> takes it.</param>
    /// <param name="configuration">The folder's, with or without more convolutions.</param>
    /// <param name="seed">What the new convolutions draw their other weights from.</param>
    /// <param name="device">Where the weights go; the CPU if not given.</param>
    /// <param name="dtype">What the model computes in: float32, or bfloat16 on CUDA.</param>
    public static LanguageModel LoadInto(
        string folder, ModelConfiguration configuration, ulong seed, Device? device = null, DType dtype = DType.Float32)
    {
        ModelFormat format = ConfigurationFile.FormatOf(Path.Combine(folder, ConfigurationFileName));
        var random = new RandomSource(seed);
        return Make(folder, configuration, format, AddConvolutions, device, dtype);

        HashSet<string> AddConvolutions(LanguageModel model, CheckpointReader reader)
        {
            var added = new HashSet<string>();
            foreach ((string name, Module module) in model.NamedModules())
            {
                if (module is ShortConvolution convolution && !reader.Entries.ContainsKey(format.PlaceOf($"{name}.static_weight").Tensor))
                {
                    convolution.SetIdentity(random.Fork(name));
                    added.UnionWith(convolution.NamedParameters().Select(parameter => $"{name}.{parameter.Key}"));
                }
            }

            return added;
        }
    }

    /// <summary>Reads the weights of a folder into a model that is there.</summary>
    /// <param name="folder">Holds a model of the same shape.</param>
    /// <param name="model">The model.</param>
    /// <exception cref="DynConvException">A file is missing or damaged, or the weights are not those of such a model.</exception>
    public static void ReadWeights(string folder, LanguageModel model)
    {
        ModelFormat format = ConfigurationFile.FormatOf(Path.Combine(folder, ConfigurationFileName));
        using var reader = new CheckpointReader(folder);
        ReadWeights(reader, model, folder, format.PlaceOf, []);
    }

    /// <summary>
    /// Writes <c>config.json</c> and <c>model.safetensors</c>, and with a tokenizer all else that other tools look for:
    /// <c>tokenizer.json</c>, <c>tokenizer_config.json</c> and <c>generation_config.json</c>. Each file is complete or
    /// absent, and the weights come last.
    /// </summary>
    /// <param name="folder">Made if it is not there.</param>
    /// <param name="model">The model.</param>
    /// <param name="tokenizer">The model's, if it has one.</param>
    /// <param name="endTokens">Tokens that end a text that the model makes; the tokenizer's separator of documents if not given.</param>
    public static void Save(string folder, LanguageModel model, ITokenizer? tokenizer = null, IReadOnlyList<int>? endTokens = null)
    {
        Directory.CreateDirectory(folder);
        IReadOnlyList<int> ends = endTokens ?? (tokenizer?.EndOfTextId is { } end ? [end] : []);
        AtomicFile.WriteAllText(
            Path.Combine(folder, ConfigurationFileName), ConfigurationFile.ToJson(model.Configuration, tokenizer is null ? null : CompanionFiles.Beginning(tokenizer), ends));
        if (tokenizer is not null)
        {
            tokenizer.Save(Path.Combine(folder, TokenizerFileName));
            CompanionFiles.Write(folder, model.Configuration, tokenizer, ends);
        }

        using var scope = new TensorScope();
        Module.Save(
            Path.Combine(folder, CheckpointReader.FileName),
            StoredTensor.Of(model.NamedParameters(), ModelFormat.For(model.Configuration).PlaceOf)
                .Select(stored => KeyValuePair.Create(stored.Name, stored.Join())));
    }

    /// <summary>Reads weights into a model whose parameters have to be those of the checkpoint.</summary>
    /// <param name="reader">The checkpoint.</param>
    /// <param name="model">The model.</param>
    /// <param name="source">What the checkpoint is called in messages.</param>
    public static void ReadWeights(CheckpointReader reader, LanguageModel model, string source) =>
        ReadWeights(reader, model, source, static name => new StoredPlace(name), []);

    /// <summary>Makes a model and reads all of its parameters but those that <paramref name="fill"/> has filled and names.</summary>
    private static LanguageModel Make(
        string folder,
        ModelConfiguration configuration,
        ModelFormat format,
        Func<LanguageModel, CheckpointReader, HashSet<string>> fill,
        Device? device,
        DType dtype)
    {
        using var reader = new CheckpointReader(folder);
        CheckSize(configuration, reader, folder);
        LanguageModel model = LanguageModel.Uninitialized(configuration, device, dtype);
        try
        {
            ReadWeights(reader, model, folder, format.PlaceOf, fill(model, reader));
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Reads all parameters but those that have their values already.</summary>
    private static void ReadWeights(
        CheckpointReader reader, LanguageModel model, string source, Func<string, StoredPlace> place, HashSet<string> filled)
    {
        var expected = new HashSet<string>();
        string output = place(OutputName).Tensor;
        foreach (StoredTensor stored in StoredTensor.Of(model.NamedParameters().Where(parameter => !filled.Contains(parameter.Key)), place))
        {
            string name = stored.Name;
            if (stored.Parts[0].Key == EmbeddingName && model.Configuration.TiedEmbeddings && !reader.Contains(name) && reader.Contains(output))
            {
                // One tensor under two names: some writers keep the other one.
                name = output;
            }

            expected.Add(name);
            if (!reader.Entries.TryGetValue(name, out SafetensorsEntry? entry))
            {
                throw new DynConvException(
                    $"{source}: the configuration asks for {name} {stored.Shape}, and the weights do not have it.");
            }

            if (entry.Shape != stored.Shape)
            {
                throw new DynConvException(
                    $"{source}: {name} is {entry.Shape} in the weights, and the configuration makes it {stored.Shape}.");
            }

            stored.ReadFrom(reader.ReadInto, name);
        }

        string? unknown = Stored(reader).Select(entry => entry.Name).FirstOrDefault(name => !expected.Contains(name) && !IsDerived(name, model));
        if (unknown is not null)
        {
            throw new DynConvException(
                $"{source}: the weights have {unknown} {reader.Entries[unknown].Shape}, and the configuration has no place for it.");
        }
    }

    /// <summary>Weights that differ are named one by one; a slip by orders of magnitude is not to fill the memory first.</summary>
    private static void CheckSize(ModelConfiguration configuration, CheckpointReader reader, string source)
    {
        const long Slack = 1 << 20;
        long wanted = ParameterCounts.Of(configuration).Total;
        long stored = Stored(reader).Sum(entry => entry.Shape.Count);
        if (wanted > Slack + (4 * stored))
        {
            throw new DynConvException($"{source}: the configuration makes {wanted:N0} parameters, and the weights have {stored:N0}.");
        }
    }

    /// <summary>The tensors themselves, those with several names once.</summary>
    private static IEnumerable<SafetensorsEntry> Stored(CheckpointReader reader) =>
        reader.Entries.Where(pair => pair.Key == pair.Value.Name).Select(pair => pair.Value);

    // Some writers store what follows from the configuration, or a tied output layer a second time.
    private static bool IsDerived(string name, LanguageModel model) =>
        name.EndsWith("rotary_emb.inv_freq", StringComparison.Ordinal)
        || (name == OutputName && model.Configuration.TiedEmbeddings);
}
