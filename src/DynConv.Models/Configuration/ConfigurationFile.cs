using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace DynConv.Models;

/// <summary>Reads and writes <c>config.json</c> with the keys of Hugging Face's Llama.</summary>
/// <remarks>
/// <c>model_type</c> is <c>llama</c> for a plain Transformer, which other tools then load, and <c>dynconv_llama</c>
/// with convolutions or QK-norm, which they would otherwise silently leave out.
/// </remarks>
public static class ConfigurationFile
{
    private const string Plain = "llama";
    private const string Convolved = "dynconv_llama";

    private static readonly JsonSerializerOptions Indented = new()
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>The file's text.</summary>
    /// <param name="configuration">A model's shape.</param>
    /// <param name="endOfTextId">The tokenizer's separator of documents, if it has one.</param>
    public static string ToJson(ModelConfiguration configuration, int? endOfTextId = null)
    {
        ModelConfiguration c = configuration;
        bool plain = c.ShortConvolution is null && !c.QkNorm;
        var root = new JsonObject
        {
            ["architectures"] = new JsonArray(plain ? "LlamaForCausalLM" : "DynConvLlamaForCausalLM"),
            ["model_type"] = plain ? Plain : Convolved,
            ["vocab_size"] = c.VocabularySize,
            ["hidden_size"] = c.HiddenSize,
            ["intermediate_size"] = c.IntermediateSize,
            ["num_hidden_layers"] = c.Layers,
            ["num_attention_heads"] = c.AttentionHeads,
            ["num_key_value_heads"] = c.KeyValueHeads,
            ["head_dim"] = c.HeadDimension,
            ["max_position_embeddings"] = c.MaxPositions,
            ["rms_norm_eps"] = c.NormEpsilon,
            ["rope_theta"] = c.Rope.Theta,
            ["tie_word_embeddings"] = c.TiedEmbeddings,
            ["hidden_act"] = "silu",
            ["attention_bias"] = false,
            ["mlp_bias"] = false,
            ["torch_dtype"] = "float32",
        };
        if (c.Rope.Scaling is { } scaling)
        {
            root["rope_scaling"] = new JsonObject
            {
                ["rope_type"] = "llama3",
                ["factor"] = scaling.Factor,
                ["low_freq_factor"] = scaling.LowFrequencyFactor,
                ["high_freq_factor"] = scaling.HighFrequencyFactor,
                ["original_max_position_embeddings"] = scaling.OriginalMaxPositions,
            };
        }

        if (endOfTextId is { } id)
        {
            root["bos_token_id"] = id;
            root["eos_token_id"] = id;
        }

        if (c.QkNorm)
        {
            root["qk_norm"] = true;
        }

        if (c.ShortConvolution is { } s)
        {
            root["short_conv"] = new JsonObject
            {
                ["kind"] = ShortConvolutionConfiguration.KindName(s.Kind),
                ["width"] = s.Width,
                ["rank"] = s.Rank,
                ["head_size"] = s.HeadSize,
                ["placement"] = new JsonArray([.. s.Placement.Select(name => (JsonNode)name)]),
                ["residual"] = s.Residual,
            };
        }

        return root.ToJsonString(Indented) + "\n";
    }

    /// <summary>Reads a file and checks that this library computes what it describes.</summary>
    /// <param name="path">The file.</param>
    public static ModelConfiguration Read(string path)
    {
        string text;
        try
        {
            text = File.ReadAllText(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new DynConvException($"{path} cannot be read: {exception.Message}", exception);
        }

        try
        {
            return Parse(text);
        }
        catch (DynConvException exception)
        {
            throw new DynConvException($"{path}: {exception.Message}", exception);
        }
        catch (JsonException exception)
        {
            throw new DynConvException($"{path} is not valid JSON: {exception.Message}", exception);
        }
    }

    /// <summary>Reads the file's text.</summary>
    /// <param name="json">As <see cref="ToJson"/> writes it, or any other Llama's.</param>
    public static ModelConfiguration Parse(string json)
    {
        JsonNode? node = JsonNode.Parse(json, documentOptions: new JsonDocumentOptions { AllowDuplicateProperties = false });
        var root = new JsonSection(node as JsonObject ?? throw new DynConvException("A JSON object is wanted here."), "");
        string type = root.String("model_type") ?? Plain;
        if (type is not (Plain or Convolved))
        {
            throw new DynConvException($"model_type is '{type}'; {Plain} and {Convolved} can be read.");
        }

        Require(root, "hidden_act", "silu");
        RequireFalse(root, "attention_bias");
        RequireFalse(root, "mlp_bias");
        int heads = root.RequiredInt("num_attention_heads");
        int hidden = root.RequiredInt("hidden_size");
        return new ModelConfiguration
        {
            VocabularySize = root.RequiredInt("vocab_size"),
            HiddenSize = hidden,
            IntermediateSize = root.RequiredInt("intermediate_size"),
            Layers = root.RequiredInt("num_hidden_layers"),
            AttentionHeads = heads,
            KeyValueHeads = root.Int("num_key_value_heads") ?? heads,
            HeadDimension = root.Int("head_dim") ?? HeadDimension(hidden, heads),
            MaxPositions = root.Int("max_position_embeddings") ?? 2048,
            NormEpsilon = root.Double("rms_norm_eps") ?? 1e-6,
            Rope = ReadRope(root),
            TiedEmbeddings = root.Bool("tie_word_embeddings") ?? false,
            QkNorm = root.Bool("qk_norm") ?? false,
            ShortConvolution = root.Section("short_conv") is { } section ? ReadConvolution(section) : null,
        }.Validate();
    }

    private static int HeadDimension(int hidden, int heads) => heads < 1 || hidden % heads != 0
        ? throw new DynConvException($"num_attention_heads {heads} does not divide hidden_size {hidden}, and head_dim is missing.")
        : hidden / heads;

    // Newer files keep the base and the scaling together in rope_parameters, older ones apart.
    private static RopeConfiguration ReadRope(JsonSection root)
    {
        JsonSection? parameters = root.Section("rope_parameters") ?? root.Section("rope_scaling");
        double theta = parameters?.Double("rope_theta") ?? root.Double("rope_theta") ?? 10_000;
        string type = parameters?.String("rope_type") ?? parameters?.String("type") ?? "default";
        return type switch
        {
            "default" => new RopeConfiguration { Theta = theta },
            "llama3" => new RopeConfiguration
            {
                Theta = theta,
                Scaling = new Llama3RopeScaling(
                    parameters!.RequiredDouble("factor"),
                    parameters.RequiredDouble("low_freq_factor"),
                    parameters.RequiredDouble("high_freq_factor"),
                    parameters.RequiredInt("original_max_position_embeddings")),
            },
            _ => throw new DynConvException($"rope_type is '{type}'; default and llama3 can be read."),
        };
    }

    private static ShortConvolutionConfiguration ReadConvolution(JsonSection section)
    {
        var defaults = new ShortConvolutionConfiguration();
        return new ShortConvolutionConfiguration
        {
            Kind = ShortConvolutionConfiguration.ParseKind(section.RequiredString("kind")),
            Width = section.RequiredInt("width"),
            Rank = section.Int("rank") ?? defaults.Rank,
            HeadSize = section.Int("head_size") ?? defaults.HeadSize,
            Placement = ShortConvolutionConfiguration.OrderPlacement(section.Strings("placement")),
            Residual = section.Bool("residual") ?? true,
        };
    }

    private static void Require(JsonSection root, string key, string wanted)
    {
        if (root.String(key) is { } found && found != wanted)
        {
            throw new DynConvException($"{key} is '{found}'; only '{wanted}' is computed here.");
        }
    }

    private static void RequireFalse(JsonSection root, string key)
    {
        if (root.Bool(key) == true)
        {
            throw new DynConvException($"{key} is true; linear layers have no bias here.");
        }
    }
}
