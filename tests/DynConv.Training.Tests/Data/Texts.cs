using System.Text;
using DynConv.Training.Data;

namespace DynConv.Training.Tests.Data;

/// <summary>What the tests of this folder share.</summary>
internal static class Texts
{
    public static int[] AllTokens(TokenDataset dataset)
    {
        var tokens = new int[dataset.Tokens];
        dataset.CopyTo(0, tokens);
        return tokens;
    }

    /// <summary>Ids as text, ends of documents as bars.</summary>
    public static string Show(TokenDataset dataset) => string.Concat(AllTokens(dataset).Select(t => t == FakeTokenizer.End ? '|' : (char)t));

    /// <summary>The folder of real texts beside the repository; skips the test where it is not there.</summary>
    public static string SharedData()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "DynConv.slnx")))
        {
            folder = folder.Parent;
        }

        string? path = null;
        for (DirectoryInfo? above = folder?.Parent; above is not null && path is null; above = above.Parent)
        {
            string candidate = Path.Combine(above.FullName, "shared", "data");
            path = File.Exists(Path.Combine(candidate, "tinyshakespeare.txt.gz")) ? candidate : null;
        }

        Assert.SkipWhen(path is null, "there is no folder shared/data beside the repository");
        return path!;
    }

    public static List<string> Documents(TextSource source) => Documents(source, new FakeTokenizer());

    public static List<string> Documents(TextSource source, FakeTokenizer tokenizer)
    {
        var documents = new List<string>();
        foreach (TextBatch batch in new TextBatchReader(source, () => new TextBatch(), tokenizer).Read())
        {
            batch.Encode(tokenizer);
            int start = 0;
            foreach (int end in batch.DocumentEnds)
            {
                documents.Add(Encoding.UTF8.GetString(tokenizer.Decode([.. batch.Tokens[start..end]])));
                start = end;
            }
        }

        return documents;
    }

    public static List<string> Documents(string path, TextOptions? options = null) => Documents(TextSource.Find([path], options: options));

    public static string MessageOf(Action action)
    {
        string message = Assert.Throws<DynConvException>(action).Message;
        Assert.DoesNotContain('\n', message);
        return message;
    }
}
