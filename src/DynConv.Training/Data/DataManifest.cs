using System.Text.Json;
using System.Text.Json.Serialization;
using DynConv.Serialization;

namespace DynConv.Training.Data;

/// <summary>What lies in a folder of token shards, and from what it was made.</summary>
internal sealed record DataManifest
{
    public const string FileName = "manifest.json";
    public const string DocumentsName = "documents.bin";
    public const int CurrentVersion = 2;

    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
    };

    /// <summary>Of the layout of the folder and of the way text is cut and encoded.</summary>
    public required int Version { get; init; }

    /// <summary>SHA-256 of the tokenizer's file.</summary>
    public required string Tokenizer { get; init; }

    public required int VocabularySize { get; init; }

    /// <summary>2 for uint16 ids, 4 for int32, little-endian.</summary>
    public required int BytesPerToken { get; init; }

    /// <summary>Ids in each shard; the last one may have fewer.</summary>
    public required long ShardTokens { get; init; }

    public required long Tokens { get; init; }

    /// <summary>Bytes of text.</summary>
    public required long TextBytes { get; init; }

    public required long Documents { get; init; }

    public required IReadOnlyList<DataFile> Shards { get; init; }

    /// <summary>For each document the position after its last token, int64, little-endian.</summary>
    public required DataFile DocumentEnds { get; init; }

    public required IReadOnlyList<TextFile> Sources { get; init; }

    /// <summary>The files and folders among which the sources were found, good from any working directory.</summary>
    public required IReadOnlyList<string> Paths { get; init; }

    /// <summary>How the sources were read.</summary>
    public required TextOptions Text { get; init; }

    /// <summary>What of them was left out; null if nothing was.</summary>
    public SkippedLines? Skipped { get; init; }

    /// <summary>Whether this is what encoding a source now would give.</summary>
    public bool IsOf(TextSource source) => Text == source.Options && Sources.Count == source.Files.Count &&
        Sources.Zip(source.Files).All(static pair => pair.First.IsSame(pair.Second));

    /// <summary>Whether the ids and the ends of documents are the same.</summary>
    public bool HasSameIds(DataManifest other) => Shards.SequenceEqual(other.Shards) && DocumentEnds == other.DocumentEnds;

    public static DataManifest Load(string folder) => StrictJson.Read<DataManifest>(
        Path.Combine(folder, FileName), Json, static manifest => manifest.IsSound(), "is not a manifest of encoded text");

    public void Save(string folder) =>
        AtomicFile.WriteAllText(Path.Combine(folder, FileName), JsonSerializer.Serialize(this, Json) + "\n");

    private bool IsSound()
    {
        // A list can hold null whatever its type promises.
        if (Shards.Any(static shard => shard is null) || Sources.Any(static source => source is null) || Paths.Any(static path => path is null))
        {
            return false;
        }

        long shards = ShardTokens > 0 ? (Tokens + ShardTokens - 1) / ShardTokens : -1;
        return Version == CurrentVersion && BytesPerToken is sizeof(ushort) or sizeof(int) && Tokens > 0 && Documents > 0 &&
            shards == Shards.Count && DocumentEnds.Bytes == Documents * sizeof(long) &&
            Shards.Index().All(shard => shard.Item.Bytes == BytesPerToken * Math.Min(ShardTokens, Tokens - (shard.Index * ShardTokens)));
    }
}
