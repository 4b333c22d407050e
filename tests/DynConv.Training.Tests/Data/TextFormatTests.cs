using System.Text;
using DynConv.Training.Data;
using Parquet;

namespace DynConv.Training.Tests.Data;

public sealed class TextFormatTests : IDisposable
{
    private const string OneObject = "{\"text\":\"a\"}";

    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string, string, string[]> Layouts => new()
    {
        // Objects, one a line, under any name.
        { "part-00000", "{\"text\":\"a\"}\n{\"text\":\"b\"}\n", ["a", "b"] },
        { "x.txt", OneObject, ["a"] },
        { "x.json", "\n\n{\"id\":1,\"text\":\"a\"}\r\n{\"id\":2,\"text\":\"b\"}", ["a", "b"] },
        { "x.jsonl", "{\"id\":1,\"text\":\"a\"}\n{\"text\":\"b\",\"text\":\"c\"}", ["a", "c"] },

        // Arrays and objects over several lines, under any name.
        { "x.json", "[{\"text\":\"a\"},{\"text\":\"b\"}]", ["a", "b"] },
        { "x.jsonl", " [\n  {\n    \"text\": \"a]}\\\"\"\n  },\n  {\n    \"text\": \"b\"\n  }\n]\n", ["a]}\"", "b"] },
        { "x", "{\n  \"text\": \"a\",\n  \"more\": [1, {\"text\": \"no\"}]\n}\n{ \"text\":\n\"b\" }", ["a", "b"] },
        { "x", "[{\"text\":\"a\"}]\n[{\"text\":\"b\"}]", ["a", "b"] },

        // Text that only looks like it.
        { "x.cs", "{\n    int text = 1;\n}\n", ["{\n    int text = 1;\n}\n"] },
        { "x.md", "[{\"text\" is a word]\nand so on\n", ["[{\"text\" is a word]\nand so on\n"] },
        { "x.css", "{\"text\": 1 }}\n", ["{\"text\": 1 }}\n"] },
        { "x.md", "{\"text\":\"a\"}\nis what a line looks like.\nThis is prose.\n", ["{\"text\":\"a\"}\nis what a line looks like.\nThis is prose.\n"] },
        { "x.md", "{\n\"text\":\"a\"}\nis what an object looks like.\n", ["{\n\"text\":\"a\"}\nis what an object looks like.\n"] },
        { "package.json", "{\n  \"name\": \"x\"\n}\n", ["{\n  \"name\": \"x\"\n}\n"] },
        { "min.json", "{\"name\":\"x\"}", ["{\"name\":\"x\"}"] },
        { "list.json", "[1, 2, 3]", ["[1, 2, 3]"] },
        { "empty.json", "[]", ["[]"] },
    };

    public static TheoryData<string, string> Texts16 => new()
    {
        { "plain", "Ordinary text, long enough to be told by its zeros.\n" },
        { "café", "Ünïcødé, €, and 😀 among words that most of the text is made of.\r\n" },
    };

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Files_that_once_failed_are_read()
    {
        List<string> rows = Texts.Documents(Cases.Data("rows.ndjson"));
        Assert.Equal(40, rows.Count);
        Assert.All(rows, static text => Assert.DoesNotContain("timestamp", text));
        Assert.Equal(rows[0], Texts.Documents(Cases.Data("part.00000-of-00002.json.gz"))[0]);
        Assert.DoesNotContain(Texts.Documents(Cases.Data("part.00000-of-00002.json.gz")), static text => text.StartsWith('{'));
        Assert.StartsWith("Our neighbour painted a letter", Assert.Single(Texts.Documents(Cases.Data("utf16le.txt"))));
        Assert.Equal(60_186, Encoding.UTF8.GetByteCount(Assert.Single(Texts.Documents(Cases.Data("zero-padded.txt.gz")))));
        Assert.Contains("one grey cat", Texts.Documents(Cases.Data("nan.jsonl")));
        Assert.Equal(
            $"{Cases.Data("bom-inside.jsonl")} line 7 begins with a byte-order mark, as where files have been joined.",
            Texts.MessageOf(() => Texts.Documents(Cases.Data("bom-inside.jsonl"))));
    }

    [Fact]
    public void Bad_lines_are_left_out_and_counted_where_that_is_asked_for()
    {
        string path = _folder.Write("x.jsonl", $"{OneObject}\n{{\"text\":null}}\nnot JSON\n{{\"txt\":1}}\n\n{{\"text\":\"b\"}}\n[1]\n{{\"text\":\"\\ud800\"}}");
        TextSource source = TextSource.Find([path], options: new TextOptions { SkipBadLines = true });
        SkippedLines? skipped = null;
        Assert.Equal(["a", "b", "\uFFFD"], source.ReadDocuments(lines => skipped = lines).Select(static text => Encoding.UTF8.GetString(text.Span)));
        Assert.Equal(new SkippedLines(4, $"{path} line 2 has a 'text' field that is not a string"), skipped);
        using TokenDataset data = TokenCache.OpenOrEncode(_folder["cache"], source, new FakeTokenizer());
        Assert.Equal(skipped, data.Skipped);
        using TokenDataset again = TokenDataset.Open(_folder["cache"], new FakeTokenizer());
        Assert.Equal(skipped, again.Skipped);

        string bad = _folder.Write("bad.jsonl", "{\"text\":1}\n{\"text\":2}");
        Assert.EndsWith(
            $" 2 bad lines were skipped, the first: {bad} line 1 has a 'text' field that is not a string.",
            Texts.MessageOf(() => TokenCache.OpenOrEncode(_folder["c2"], TextSource.Find([bad], options: source.Options), new FakeTokenizer())));
    }

    [Theory]
    [MemberData(nameof(Layouts))]
    public void A_layout_is_told_by_its_content(string name, string content, string[] documents)
    {
        Assert.Equal(documents, Texts.Documents(_folder.Write(name, content)));
        Assert.Equal(documents, Texts.Documents(_folder.FullName));
        string packed = _folder.Write("packed/" + name + ".zst", Packings.Zstandard(Encoding.UTF8.GetBytes(content)));
        Assert.Equal(documents, Texts.Documents(packed));
        string wide = _folder.Write("wide/" + name, [.. Encoding.Unicode.GetPreamble(), .. Encoding.Unicode.GetBytes(content)]);
        Assert.Equal(documents, Texts.Documents(wide));
    }

    [Theory]
    [InlineData("{\"id\":1}\n{\"id\":2}\n")]
    [InlineData("[{\"id\":1},{\"id\":2}]")]
    [InlineData("[\n  {\n    \"id\": 1\n  }\n]")]
    public void Objects_without_the_field_are_not_taken_for_text(string content)
    {
        string path = _folder.Write("x.json", content);
        Assert.StartsWith($"{path} holds JSON objects, and the first ones have no 'text' field: ", Texts.MessageOf(() => Texts.Documents(path)));
        _folder.Write("y.txt", "y");
        TextSource source = TextSource.Find([_folder.FullName]);
        Assert.Equal(["y"], Texts.Documents(source));
        Assert.Equal("JSON without 'text'", Assert.Single(source.LeftOut).Reason);
        Assert.Equal([content], Texts.Documents(path, new TextOptions { Format = TextFormat.Text }));
    }

    [Theory]
    [InlineData("content", "{\"text\":\"no\",\"content\":\"a\"}")]
    [InlineData("a.b", "{\"a\":{\"b\":\"a\",\"c\":1}}")]
    [InlineData("a.b", "{\"a\":{},\"a.b\":\"a\"}")]
    [InlineData("a.b.c", "{\"a\":{\"x\":[{\"b\":1}],\"b.c\":\"a\"}}")]
    [InlineData("é\"", "{\"\\u00e9\\\"\":\"a\"}")]
    public void The_field_can_be_named(string field, string content)
    {
        string path = _folder.Write("x", content);
        Assert.Equal(["a"], Texts.Documents(path, new TextOptions { TextField = field }));
        Assert.Equal(["a"], Texts.Documents(_folder.Write("y", $"[{content}]"), new TextOptions { TextField = field }));
    }

    [Fact]
    public void A_field_of_no_name_is_refused() =>
        Assert.StartsWith("The text field is 'a..b'; ", Texts.MessageOf(() => TextSource.Find([_folder.FullName], options: new TextOptions { TextField = "a..b" })));

    [Theory]
    [InlineData("\"\\ud83d\\ude00\"", "😀")]
    [InlineData("\"\\ud83d\\ud83d\\ude00\"", "\uFFFD😀")]
    [InlineData("\"\\ud83dx\\ude00\\n\"", "\uFFFDx\uFFFD\n")]
    [InlineData("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00E9\\u20ac\"", "\"\\/\b\f\n\r\té€")]
    public void Strings_are_unescaped(string json, string text) =>
        Assert.Equal([text], Texts.Documents(_folder.Write("x.jsonl", $"{{\"text\":{json}}}")));

    [Theory]
    [InlineData("NaN")]
    [InlineData("-Infinity")]
    [InlineData("\"\\ud800\"")]
    [InlineData("[1, [{\"a\": NaN}], \"]\\\"}\"]")]
    [InlineData("1e999")]
    public void Other_fields_are_not_judged(string value)
    {
        Assert.Equal(["a"], Texts.Documents(_folder.Write("x.jsonl", $"{{\"x\":{value},\"text\":\"a\",\"y\":{value}}}")));
        Assert.Equal(["a"], Texts.Documents(_folder.Write("x.json", $"[{{\"x\":{value},\"text\":\"a\",\"y\":{value}}}]")));
    }

    [Fact]
    public void Nesting_is_limited()
    {
        string Nested(int depth) => $"{{\"x\":{new string('[', depth)}{new string(']', depth)},\"text\":\"a\"}}";
        Assert.Equal(["a"], Texts.Documents(_folder.Write("x.jsonl", Nested(1000))));
        string deep = _folder.Write("y.jsonl", Nested(1001));
        Assert.Equal($"{deep} line 1 is nested deeper than 1000 levels.", Texts.MessageOf(() => Texts.Documents(deep)));
    }

    [Theory]
    [InlineData("[{\"text\":\"a\"}", "is not whole JSON: it ends inside or after element 1.")]
    [InlineData("[{\"text\":\"a\"},", "is not whole JSON: it ends inside or after element 1.")]
    [InlineData("[{\"text\":\"a\"},{\"text\":\"b", "is not whole JSON: it ends inside or after element 2.")]
    [InlineData("[{\"text\":\"a\"},]", "is not valid JSON after element 1.")]
    [InlineData("[{\"text\":\"a\"},5,null,\"x\",{\"text\":\"b\"}]", "element 2 is not a JSON object.")]
    [InlineData("[{\"text\":\"a\"}] 5", "is not valid JSON after element 1.")]
    [InlineData("[{\"text\":\"a\"},{\"text\":NaN}]", "element 2 has a 'text' field that is not a string.")]
    public void A_malformed_array_is_named(string content, string expected)
    {
        string path = _folder.Write("x.json", content);
        Assert.Equal($"{path} {expected}", Texts.MessageOf(() => Texts.Documents(path)));
    }

    [Fact]
    public void Bad_elements_are_left_out_where_that_is_asked_for()
    {
        string path = _folder.Write("x.json", "[{\"text\":\"a\"},5,null ,\"x]\",{\"text\":1},[{\"text\":\"no\"}],{\"text\":\"b\"}]");
        Assert.Equal(["a", "b"], Texts.Documents(path, new TextOptions { SkipBadLines = true }));
    }

    [Theory]
    [MemberData(nameof(Texts16))]
    public void Text_in_any_encoding_of_Unicode_is_read(string name, string line)
    {
        string text = string.Concat(Enumerable.Repeat(line, 3000));
        Encoding[] encodings = [new UTF8Encoding(true), new UnicodeEncoding(false, true), new UnicodeEncoding(true, true), new UTF32Encoding(false, true), new UTF32Encoding(true, true)];
        foreach (Encoding encoding in encodings)
        {
            byte[] marked = [.. encoding.GetPreamble(), .. encoding.GetBytes(text)];
            Assert.Equal([text], Texts.Documents(_folder.Write($"{name}.txt", marked)));
            Assert.Equal([text], Texts.Documents(_folder.Write($"{name}.txt.gz", marked)));
            Assert.Equal([text], Texts.Documents(_folder.Write($"{name}.bare", encoding.GetBytes(text))));
        }

        Assert.Equal(["\uFFFD"], Texts.Documents(_folder.Write("lone.txt", [0xFF, 0xFE, 0, 0xD8])));
        Assert.Equal(["a"], Texts.Documents(_folder.Write("a.txt", [0xFF, 0xFE, (byte)'a', 0])));
        string binary = _folder.Write("binary", [.. Enumerable.Range(0, 4000).Select(static i => (byte)(i % 4 == 3 ? i / 16 : i % 3 == 0 ? 0 : 7))]);
        Assert.Equal($"{binary} is binary, not text.", Texts.MessageOf(() => Texts.Documents(binary)));
    }

    [Fact]
    public void Packed_files_are_read_as_their_own_tools_read_them()
    {
        byte[] Gzip(string text) => TemporaryFolder.Gzip(Encoding.UTF8.GetBytes(text));
        byte[] Zstd(string text) => Packings.Zstandard(Encoding.UTF8.GetBytes(text));
        byte[] skippable = [0x50, 0x2A, 0x4D, 0x18, 3, 0, 0, 0, 1, 2, 3];
        (string Name, byte[] Content, string Text)[] files =
        [
            ("members", [.. Gzip("one "), .. Gzip("two")], "one two"),
            ("zeros", [.. Gzip("one"), .. new byte[70_000]], "one"),
            ("a zero", [.. Gzip("one "), .. Gzip("two"), 0], "one two"),
            ("frames", [.. Zstd("one "), .. skippable, .. Zstd("two")], "one two"),
            ("skippable", [.. skippable, .. Zstd("one")], "one"),
            ("twice", TemporaryFolder.Gzip(Zstd("one")), "one"),
        ];
        foreach ((string name, byte[] content, string text) in files)
        {
            string path = _folder[name];
            File.WriteAllBytes(path, content);
            Assert.Equal([text], Texts.Documents(path));
        }

        string garbage = _folder["garbage.gz"];
        foreach (byte[] rest in (byte[][])[[1], [0, 1], [0, 0, 0x1F, 0x8B], [(byte)'n', (byte)'o']])
        {
            File.WriteAllBytes(garbage, [.. Gzip("one"), .. rest]);
            Assert.StartsWith($"{garbage} is not a whole gzip file", Texts.MessageOf(() => Texts.Documents(garbage)));
        }
    }

    [Fact]
    public void Zeros_inside_packed_data_and_at_its_end_are_its_own()
    {
        // A stored block holds the bytes as they are: the packed file has long rows of zeros of its own.
        foreach (int zeros in (int[])[1, 4000, 66_000, 200_000])
        {
            using var packed = new MemoryStream();
            using (var gzip = new System.IO.Compression.GZipStream(packed, System.IO.Compression.CompressionLevel.NoCompression))
            {
                gzip.Write([.. "text"u8, .. new byte[zeros]]);
            }

            byte[] whole = packed.ToArray();
            foreach (byte[] content in (byte[][])[whole, [.. whole, .. new byte[9]]])
            {
                using var stream = new GzipTextStream(new MemoryStream(content));
                using var text = new MemoryStream();
                stream.CopyTo(text);
                Assert.Equal(4 + zeros, text.Length);
            }

            using var cut = new GzipTextStream(new MemoryStream(whole[..^12]));
            Assert.Throws<DamagedDataException>(() => cut.CopyTo(Stream.Null));
        }
    }

    [Fact]
    public void Every_truncation_of_a_Zstandard_file_is_noticed()
    {
        byte[] packed = Packings.Zstandard(Encoding.UTF8.GetBytes(string.Concat(Enumerable.Range(0, 40).Select(i => $"{i * i} "))));
        string path = _folder["x.txt.zst"];
        for (int length = 1; length < packed.Length; length++)
        {
            File.WriteAllBytes(path, packed[..length]);
            Assert.StartsWith($"{path} is not a whole Zstandard file", Texts.MessageOf(() => Texts.Documents(path)));
        }

        File.WriteAllBytes(path, packed);
        Assert.Single(Texts.Documents(path));
        File.WriteAllText(path, "this is not packed");
        Assert.StartsWith($"{path} is not a whole Zstandard file", Texts.MessageOf(() => Texts.Documents(path)));
    }

    [Theory]
    [InlineData(CompressionMethod.None)]
    [InlineData(CompressionMethod.Snappy)]
    [InlineData(CompressionMethod.Gzip)]
    [InlineData(CompressionMethod.Zstd)]
    [InlineData(CompressionMethod.Brotli)]
    [InlineData(CompressionMethod.LZ4)]
    public void Parquet_is_read_row_group_by_row_group(CompressionMethod compression)
    {
        string[] texts = [.. Enumerable.Range(0, 20).Select(static i => $"row {i % 5} é"), new string('x', 100_000)];
        string path = _folder.Write("x.data", Packings.Parquet(texts, rowsOfGroup: 6, compression));
        Assert.Equal(texts, Texts.Documents(path));
        Assert.Equal(texts, Texts.Documents(_folder.FullName));
    }

    [Fact]
    public void Rows_of_Parquet_without_text_are_bad_lines()
    {
        string path = _folder.Write("x.parquet", Packings.Parquet(["a", null, "", "b", null]));
        Assert.Equal($"{path} row 2 has nothing in the column 'text'.", Texts.MessageOf(() => Texts.Documents(path)));
        Assert.Equal(["a", "b"], Texts.Documents(path, new TextOptions { SkipBadLines = true }));
    }

    [Fact]
    public void Other_columns_and_other_files_are_refused_in_a_sentence()
    {
        string path = _folder.Write("x.parquet", Packings.Parquet(["a"], column: "content"));
        Assert.Equal($"{path} has no column 'text'; it has id, content.", Texts.MessageOf(() => Texts.Documents(path)));
        Assert.Equal(["a"], Texts.Documents(path, new TextOptions { TextField = "content" }));
        Assert.Equal($"{path} has a column 'id' that is not text.", Texts.MessageOf(() => Texts.Documents(path, new TextOptions { TextField = "id" })));
        string groups = _folder.Write("groups.parquet", Packings.ParquetOfGroups());
        string message = $"{groups} has a column 'text' that is a list or a group; only a plain column of text is read.";
        Assert.Equal(message, Texts.MessageOf(() => Texts.Documents(groups)));
        Assert.Equal(message, Texts.MessageOf(() => Texts.Documents(groups, new TextOptions { TextField = "text.inner" })));
        string text = _folder.Write("x.txt", "text");
        Assert.Equal($"{text} is not a Parquet file.", Texts.MessageOf(() => Texts.Documents(text, new TextOptions { Format = TextFormat.Parquet })));
        Assert.Equal($"{path} is binary, not text.", Texts.MessageOf(() => Texts.Documents(path, new TextOptions { Format = TextFormat.JsonLines })));
        byte[] whole = File.ReadAllBytes(path);
        for (int length = 5; length < whole.Length; length += 7)
        {
            File.WriteAllBytes(path, whole[..length]);
            Assert.StartsWith($"{path} is ", Texts.MessageOf(() => Texts.Documents(path, new TextOptions { TextField = "content" })));
        }
    }

    [Fact]
    public void A_document_of_any_length_is_cut_as_a_file_is()
    {
        string text = string.Concat(Enumerable.Range(0, 500_000).Select(static i => $"line {i}\n"));
        Assert.True(text.Length > 3 * TextBatchReader.PieceBytes);
        string[] paths =
        [
            _folder.Write("x.txt", text),
            _folder.Write("x.jsonl", $"{{\"text\":\"{text.Replace("\n", "\\n")}\"}}\n"),
            _folder.Write("x.parquet", Packings.Parquet([text])),
        ];
        foreach (string path in paths)
        {
            var tokenizer = new PatternTokenizer(PatternTokenizer.Gpt2);
            var whole = new List<int>();
            tokenizer.Encode(Encoding.UTF8.GetBytes(text), whole);
            using TokenDataset data = TokenCache.OpenOrEncode(_folder["cache"], TextSource.Find([path]), tokenizer);
            Assert.Equal(whole, Texts.AllTokens(data));
        }
    }

    [Fact]
    public void A_line_beyond_the_limit_is_a_bad_line_and_the_next_one_is_read()
    {
        string path = _folder["x.jsonl"];
        using (var file = new StreamWriter(path))
        {
            file.WriteLine(OneObject);
            file.Write("{\"text\":\"");
            string mebibyte = new('x', 1 << 20);
            for (int i = 0; i < (JsonRecordReader.MostBytes >> 20) + 1; i++)
            {
                file.Write(mebibyte);
            }

            file.Write("\"}\n{\"text\":\"b\"}\n");
        }

        Assert.Equal(["a", "b"], Texts.Documents(path, new TextOptions { SkipBadLines = true }));
        Assert.Equal($"{path} line 2 is longer than {JsonRecordReader.MostBytes} bytes.", Texts.MessageOf(() => Texts.Documents(path)));
    }
}
