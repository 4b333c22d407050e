using System.Text;
using DynConv.Models.Tokenizers;
using DynConv.Tests;

namespace DynConv.Models.Tests.Tokenizers;

/// <summary>A damaged <c>tokenizer.json</c> is read, and encodes and decodes, or is refused in a sentence.</summary>
public sealed class TokenizerFuzzTests
{
    private static readonly byte[] Text = Encoding.UTF8.GetBytes(
        "The Hello world  don't <|endoftext|> 12345 中文\n\né e\u0301 <x> ab\tabc \U0001F600" + new string(' ', 100) + new string('a', 100));

    [Fact]
    public void Damaged_files_are_read_or_refused()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("tokenizer.json");
        byte[][] samples = [.. Samples().Select(Encoding.UTF8.GetBytes)];
        FuzzResult result = Fuzz.Bytes("tokenizer.json", samples, file =>
        {
            File.WriteAllBytes(path, file);
            ITokenizer tokenizer = TokenizerLoader.Load(path);
            List<int> ids = [];
            tokenizer.EncodeWithTemplate(Text, ids);
            tokenizer.Decode(ids.ToArray());
            Assert.All(ids, id => Assert.True(tokenizer.Contains(id)));
        }, new FuzzLimits(Allocation: 512L << 20));
        Assert.True(result is { Accepted: > 0, Refused: > 0 }, $"{result}");
    }

    // The vocabulary's mutations teach little; what stands before it is most of these.
    private static IEnumerable<string> Samples() => TokenizerShapes.All()
        .Where(static (_, index) => index % 40 == 0)
        .Select(static shape => shape.Json)
        .Append(File.ReadAllText(CaseFiles.Path("bos-template.json")))
        .Append(File.ReadAllText(CaseFiles.Path("sentencepiece.json")));
}
