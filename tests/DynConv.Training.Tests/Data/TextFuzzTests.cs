using System.Text;
using DynConv.Tests;
using DynConv.Training.Data;

namespace DynConv.Training.Tests.Data;

/// <summary>Damaged data of each kind is read, or refused in a sentence, within bounded memory and time.</summary>
public sealed class TextFuzzTests : IDisposable
{
    private static readonly string[] Lines = ["{\"text\":\"one line\",\"n\":1.5}", "{\"id\":[1,{\"a\":null}],\"text\":\"caf\\u00e9 \\ud83d\\ude00\"}", "{\"text\":\"\"}", "{\"text\":\"last\\n\"}"];
    private static readonly byte[] JsonLines = Encoding.UTF8.GetBytes(string.Join('\n', Lines) + "\n");
    private static readonly byte[] Json = Encoding.UTF8.GetBytes($"[\n  {string.Join(",\n  ", Lines)}\n]\n");
    private static readonly byte[] Prose = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Range(0, 300).Select(static i => $"Line {i} of a text, naïve and plain.\n")));

    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Kinds => ["jsonl", "json", "gzip", "zstd", "parquet", "utf16", "utf32", "text"];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Damaged_data_is_read_or_refused_in_a_sentence(string kind)
    {
        Encoding utf16 = new UnicodeEncoding(bigEndian: false, byteOrderMark: true);
        Encoding utf32 = new UTF32Encoding(bigEndian: true, byteOrderMark: true);
        byte[][] samples = kind switch
        {
            "jsonl" => [JsonLines],
            "json" => [Json, Encoding.UTF8.GetBytes("{\n\"text\": \"a\"\n}\n{\n\"text\": \"b\"\n}")],
            "gzip" => [TemporaryFolder.Gzip(JsonLines), [.. TemporaryFolder.Gzip(Prose), .. TemporaryFolder.Gzip(Prose), .. new byte[512]]],
            "zstd" => [Packings.Zstandard(JsonLines), [.. Packings.Zstandard(Prose), .. Packings.Zstandard(Prose)]],
            "parquet" => [Packings.Parquet(["one", "two", null, "four", "five"]), Packings.Parquet([.. Enumerable.Repeat("again", 40)], 20, Parquet.CompressionMethod.None)],
            "utf16" => [[.. utf16.GetPreamble(), .. utf16.GetBytes(Encoding.UTF8.GetString(JsonLines))], utf16.GetBytes(Encoding.UTF8.GetString(Prose))],
            "utf32" => [[.. utf32.GetPreamble(), .. utf32.GetBytes(Encoding.UTF8.GetString(Json))], utf32.GetBytes(Encoding.UTF8.GetString(Prose))],
            _ => [Prose],
        };
        string path = _folder["x"];
        foreach (TextOptions options in (TextOptions[])[new(), new() { SkipBadLines = true }])
        {
            FuzzResult result = Fuzz.Bytes($"{kind}, skip {options.SkipBadLines}", samples, file =>
            {
                if (file.Length == 0 || (kind == "parquet" && options == new TextOptions() && file.AsSpan().SequenceEqual(samples[0])))
                {
                    return;
                }

                File.WriteAllBytes(path, file);
                foreach (ReadOnlyMemory<byte> text in TextSource.Find([path], options: options).ReadDocuments())
                {
                    GC.KeepAlive(text);
                }
            }, cases: 100);
            Assert.True(result.Accepted > 0 && result.Refused > 0, $"{kind}: {result}");
        }
    }
}
