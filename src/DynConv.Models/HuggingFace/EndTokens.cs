using DynConv.Models.Tokenizers;

namespace DynConv.Models.HuggingFace;

/// <summary>The end tokens that the files of a model's folder name.</summary>
/// <param name="Named">By <c>tokenizer_config.json</c> or, in older folders, <c>special_tokens_map.json</c>.</param>
/// <param name="Numbered">By <c>generation_config.json</c> and <c>config.json</c>, in their order.</param>
internal sealed record EndTokens(int? Named, IReadOnlyList<int> Numbered)
{
    private const string NameKey = "eos_token";
    private const string IdKey = "eos_token_id";

    public static EndTokens None { get; } = new(null, []);

    public IEnumerable<int> All => Named is { } id ? Numbered.Prepend(id) : Numbered;

    /// <summary>Reads the files beside a tokenizer's.</summary>
    /// <param name="path">A folder, or a file in one.</param>
    /// <param name="tokenizer">Knows the ids of names.</param>
    public static EndTokens Beside(string path, ITokenizer tokenizer)
    {
        bool isFolder = Directory.Exists(path);
        string folder = isFolder ? path : Path.GetDirectoryName(Path.GetFullPath(path))!;
        string? name = Find(folder, CompanionFiles.TokenizerConfiguration, static file => file.TextOrContent(NameKey))
            ?? Find(folder, "special_tokens_map.json", static file => file.TextOrContent(NameKey));
        return new EndTokens(
            name is null ? null : tokenizer.FindToken(name),
            [
                .. Find(folder, CompanionFiles.GenerationConfiguration, Ids) ?? [],

                // Beside a tokenizer that is no model's, a file of that name is another program's.
                .. isFolder || File.Exists(Path.Combine(folder, CompanionFiles.GenerationConfiguration))
                    ? Find(folder, ModelFolder.ConfigurationFileName, Ids) ?? []
                    : [],
            ]);
    }

    /// <summary>The token between documents: one that no text has in it, or the one that is named.</summary>
    public int? Separator(ITokenizer tokenizer)
    {
        // A configuration that nobody has filled in says 2, which is then a letter.
        foreach (int id in All)
        {
            if (tokenizer.Contains(id) && tokenizer.ByteCount(id) == 0)
            {
                return id;
            }
        }

        return tokenizer.EndOfTextId ?? Named;
    }

    private static T? Find<T>(string folder, string name, Func<JsonSection, T?> read)
        where T : class
    {
        string path = Path.Combine(folder, name);
        if (!File.Exists(path))
        {
            return null;
        }

        JsonSection file = JsonFile.Read(path);
        try
        {
            return read(file);
        }
        catch (DynConvException exception)
        {
            throw new DynConvException($"{path}: {exception.Message}", exception);
        }
    }

    // A negative one is how some write that there is none.
    private static int[]? Ids(JsonSection file) => [.. (file.IntOrInts(IdKey) ?? []).Where(static id => id >= 0)];
}
