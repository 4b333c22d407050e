using System.Text;

namespace DynConv.Models.Tokenizers;

/// <summary>Finds and reads tokenizers.</summary>
public static class TokenizerLoader
{
    /// <summary>The name of the tokenizer that needs no file.</summary>
    public const string Bytes = "bytes";

    private const string TokenizerJson = "tokenizer.json";
    private static readonly string[] VocabularyNames = ["vocab.json", "encoder.json"];
    private static readonly string[] MergesNames = ["merges.txt", "vocab.bpe"];

    /// <summary>
    /// Reads a tokenizer: <c>bytes</c> for <see cref="ByteTokenizer"/>, a Hugging Face <c>tokenizer.json</c> of any
    /// name, one of GPT-2's files <c>vocab.json</c> or <c>encoder.json</c> and <c>merges.txt</c> or <c>vocab.bpe</c>
    /// beside the other, or a folder with such files; each file may be packed as <c>.gz</c>. GPT-2's files say
    /// nothing of a pattern and have GPT-2's, and their <c>&lt;|endoftext|&gt;</c> is a special token.
    /// </summary>
    /// <param name="path"><c>bytes</c>, a file or a folder.</param>
    /// <exception cref="DynConvException">There is no tokenizer, or it is malformed or not supported.</exception>
    public static ITokenizer Load(string path)
    {
        if (path == Bytes)
        {
            return new ByteTokenizer();
        }

        if (Directory.Exists(path))
        {
            return LoadFolder(path);
        }

        if (!File.Exists(path))
        {
            throw new DynConvException(
                $"There is no tokenizer at {path}; use '{Bytes}', a {TokenizerJson} file or a folder that holds one.");
        }

        string name = TokenizerFiles.PlainName(path);
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        return VocabularyNames.Contains(name) ? ReadPair(path, Beside(path, folder, MergesNames))
            : MergesNames.Contains(name) ? ReadPair(Beside(path, folder, VocabularyNames), path)
            : TokenizerJsonReader.Read(path);
    }

    private static ITokenizer LoadFolder(string folder)
    {
        if (TokenizerFiles.Find(folder, TokenizerJson) is string json)
        {
            return TokenizerJsonReader.Read(json);
        }

        if (TokenizerFiles.Find(folder, VocabularyNames) is string vocabulary)
        {
            return ReadPair(vocabulary, Beside(vocabulary, folder, MergesNames));
        }

        throw new DynConvException(TokenizerFiles.Find(folder, "tokenizer.model", "spiece.model") is string model
            ? $"{model} is a SentencePiece model, which is not supported; the same tokenizer as {TokenizerJson} is."
            : $"The folder {folder} holds no tokenizer: neither {TokenizerJson} nor vocab.json and merges.txt.");
    }

    private static string Beside(string path, string folder, string[] names) =>
        TokenizerFiles.Find(folder, names)
        ?? throw new DynConvException($"{path} needs {string.Join(" or ", names)} beside it, and there is none.");

    private static BpeTokenizer ReadPair(string vocabularyPath, string mergesPath)
    {
        Dictionary<string, int> ids = JsonPlace.Parse(vocabularyPath, TokenizerFiles.Read(vocabularyPath)).Ids();
        List<(string, string)> merges = ReadMerges(mergesPath);
        AddedToken[] added = ids.TryGetValue(AddedToken.EndOfText, out int id) ? [new(id, AddedToken.EndOfText)] : [];
        try
        {
            return new BpeTokenizer(new BpeVocabulary(ids, merges, added), BpeSettings.Of(PretokenizerPattern.Gpt2));
        }
        catch (DynConvException exception)
        {
            throw new DynConvException($"{vocabularyPath} and {mergesPath}: {exception.Message}.", exception);
        }
    }

    private static List<(string Left, string Right)> ReadMerges(string path)
    {
        using var reader = new StreamReader(new MemoryStream(TokenizerFiles.Read(path)), Encoding.UTF8);
        var merges = new List<(string, string)>();
        for (int number = 1; reader.ReadLine() is string line; number++)
        {
            if (line.Length > 0 && !(number == 1 && line.StartsWith("#version", StringComparison.Ordinal)))
            {
                merges.Add(SplitMerge(line) ?? throw new DynConvException(
                    $"{path}, line {number}: a merge is two tokens with a space between, but this is '{JsonPlace.Cut(line)}'."));
            }
        }

        return merges;
    }

    /// <summary>The two tokens of a merge written as <c>a b</c>; null if it is something else.</summary>
    internal static (string Left, string Right)? SplitMerge(string merge) =>
        merge.Split(' ') is [{ Length: > 0 } left, { Length: > 0 } right] ? (left, right) : null;
}
