using System.Text;
using DynConv.Training.Data;

namespace DynConv.Training.Tests.Data;

public sealed class TextSourceTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_folder_gives_its_text_files_in_ordinal_order_without_hidden_build_and_other_files()
    {
        foreach (string name in (string[])["b.txt", "B.md", "a/z.cs", "a/k.cu.gz", "a.txt", "notes.TXT", "noextension", "web/x.unheard-of"])
        {
            _folder.Write(name, "x");
        }

        foreach (string name in (string[])["bin/x.txt", "a/obj/x.txt", "web/node_modules/x/x.js", ".git/x.txt", ".hidden.txt"])
        {
            _folder.Write(name, "x");
        }

        _folder.Write("empty.txt", "");
        _folder.Write("packed-empty.gz", "");
        _folder.Write("image.png", [0x89, (byte)'P', (byte)'N', (byte)'G', 13, 10, 0x1A, 10, 0, 0, 0, 13]);
        _folder.Write("archive.tar.gz", new byte[1024]);
        _folder.Write("drawing.svg", "<?xml version=\"1.0\"?>\n<svg></svg>");
        _folder.Write("page.html", "<!doctype html><html><svg></svg></html>");
        _folder.Write("notes.txt.xz", [0xFD, 0x37, 0x7A, 0x58, 0x5A, 0, 0, 4]);
        TextSource source = TextSource.Find([_folder.FullName]);
        Assert.Equal(
            ["B.md", "a.txt", "a/k.cu.gz", "a/z.cs", "b.txt", "noextension", "notes.TXT", "page.html", "web/x.unheard-of"],
            Names(source));
        Assert.Equal(
            [
                ".git: hidden", ".hidden.txt: hidden", "a/obj: built", "archive.tar.gz: binary", "bin: built", "drawing.svg: picture", "empty.txt: empty",
                "image.png: binary", "notes.txt.xz: packed with xz", "packed-empty.gz: empty", "web/node_modules: built",
            ],
            source.LeftOut.Select(file => $"{Path.GetRelativePath(_folder.FullName, file.Name)}: {file.Reason}").Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Runs_models_and_encoded_text_among_the_text_are_left_out_unless_they_are_named()
    {
        _folder.Write("a.txt", "text");
        foreach (string name in (string[])["run/run.yaml", "run/tokenizer.json", "model/config.json", "model/model.safetensors", "grid/data/manifest.json", "grid/data/documents.bin", "plain/run.yaml"])
        {
            _folder.Write(name, "text: of a kind");
        }

        TextSource source = TextSource.Find([_folder.FullName]);
        Assert.Equal(["a.txt", "plain/run.yaml"], Names(source));
        Assert.Equal(
            ["grid/data: encoded text", "model: model", "run: run"],
            source.LeftOut.Select(file => $"{Path.GetRelativePath(_folder.FullName, file.Name)}: {file.Reason}").Order(StringComparer.Ordinal));
        Assert.Equal(2, TextSource.Find([_folder["run"]]).Files.Count);
    }

    [Fact]
    public void Paths_keep_their_order_and_no_file_comes_twice()
    {
        string b = _folder.Write("b.txt", "x");
        _folder.Write("a.txt", "x");
        Assert.Equal(["b.txt", "a.txt"], Names(TextSource.Find([b, _folder.FullName, b])));
    }

    [Fact]
    public void Excepted_files_and_folders_are_left_out()
    {
        string b = _folder.Write("b.txt", "x");
        _folder.Write("run/config.json", "x");
        _folder.Write("runner.json", "x");
        Assert.Equal(["runner.json"], Names(TextSource.Find([_folder.FullName], [b, _folder["run"] + "/"])));
    }

    [Fact]
    public void A_link_to_a_folder_is_not_followed()
    {
        _folder.Write("a.txt", "x");
        Directory.CreateSymbolicLink(_folder["loop"], _folder.FullName);
        Assert.Equal(["a.txt"], Names(TextSource.Find([_folder.FullName])));
    }

    [Fact]
    public void Bad_paths_are_refused_in_one_sentence()
    {
        Assert.Equal($"There is no file or folder {_folder["no"]}.", Texts.MessageOf(() => TextSource.Find([_folder["no"]])));
        string empty = _folder.Write("empty.txt", "");
        Assert.Equal($"{empty} is empty.", Texts.MessageOf(() => TextSource.Find([empty])));
        Assert.StartsWith($"There is no text in {_folder.FullName}: ", Texts.MessageOf(() => TextSource.Find([_folder.FullName])));
        Assert.StartsWith("No data was given", Texts.MessageOf(() => TextSource.Find([])));
    }

    [Fact]
    public void An_unreadable_file_is_refused_in_one_sentence_and_left_out_of_a_folder()
    {
        string path = _folder.Write("a.txt", "x");
        _folder.Write("b.txt", "y");
        using FileStream exclusive = new(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
        Assert.StartsWith($"{path} cannot be read: ", Texts.MessageOf(() => Texts.Documents(TextSource.Find([path]))));
        TextSource source = TextSource.Find([_folder.FullName]);
        Assert.Equal(["y"], Texts.Documents(source));
        Assert.Equal([new LeftOutFile($"{_folder.FullName}/a.txt", "unreadable")], source.LeftOut);
    }

    [Fact]
    public void A_file_is_one_document_and_a_line_of_jsonl_is_one()
    {
        _folder.Write("1.txt", "one\ntwo");
        _folder.Write("2.jsonl", "{\"text\":\"a\\u00e9\\n\",\"id\":1}\n\n{\"text\":\"\"}\r\n{\"id\":2,\"text\":\"b\"}");
        _folder.Write("3.txt.gz", "packed");
        _folder.Write("4.jsonl.gz", "{\"text\":\"c\"}\n");
        Assert.Equal(["one\ntwo", "aé\n", "b", "packed", "c"], Texts.Documents(TextSource.Find([_folder.FullName])));
    }

    [Fact]
    public void A_byte_order_mark_is_not_text()
    {
        byte[] mark = [0xEF, 0xBB, 0xBF];
        _folder.Write("a.txt", [.. mark, (byte)'x']);
        _folder.Write("b.jsonl", [.. mark, .. "{\"text\":\"y\"}"u8]);
        _folder.Write("c.txt", "z");
        Assert.Equal(["x", "y", "z"], Texts.Documents(TextSource.Find([_folder.FullName])));
    }

    [Fact]
    public void A_named_file_of_any_name_is_read_and_a_binary_one_is_refused()
    {
        Assert.Equal(["text"], Texts.Documents(TextSource.Find([_folder.Write("LICENSE", "text")])));
        string binary = _folder.Write("x.bin", [1, 0, 2]);
        Assert.Equal($"{binary} is binary, not text.", Texts.MessageOf(() => Texts.Documents(TextSource.Find([binary]))));
        var random = new byte[4096];
        new Random(1).NextBytes(random);
        string noise = _folder.Write("noise.gz", [.. random.Select(b => b == 0 ? (byte)1 : b)]);
        Assert.Equal($"{noise} is binary, not text.", Texts.MessageOf(() => Texts.Documents(TextSource.Find([noise]))));
    }

    [Fact]
    public void Binary_files_in_a_folder_are_skipped()
    {
        _folder.Write("a.txt", [1, 0, 2]);
        _folder.Write("b.txt", "text in Latin-1: "u8.ToArray().Append((byte)0xE9).ToArray());
        Assert.Single(Texts.Documents(TextSource.Find([_folder.FullName])));
    }

    [Theory]
    [InlineData("{\"text\":\"a\"}\n{\"text\":", "line 2 is not valid JSON.")]
    [InlineData("{\"text\":\"a\"}\n\n[1]\n", "line 3 is not a JSON object.")]
    [InlineData("{\"txt\":\"a\"}", "line 1 has no 'text' field.")]
    [InlineData("{\"text\":7}", "line 1 has a 'text' field that is not a string.")]
    [InlineData("{\"text\":null}", "line 1 has a 'text' field that is not a string.")]
    [InlineData("{\"text\":\"\\ud8\"}", "line 1 is not valid JSON.")]
    [InlineData("{\"text\":\"a\tb\"}", "line 1 is not valid JSON.")]
    [InlineData("{\"text\":\"a\",}", "line 1 is not valid JSON.")]
    [InlineData("{\"text\":\"a\"}\n\ufeff{\"text\":\"a\"}", "line 2 begins with a byte-order mark, as where files have been joined.")]
    [InlineData("this is not JSON", "line 1 is not valid JSON.")]
    [InlineData("{\"text\":\"a\"} {\"text\":\"b\"}", "line 1 is not valid JSON.")]
    public void A_malformed_line_is_named(string content, string expected)
    {
        string path = _folder.Write("x.jsonl", content);
        Assert.Equal($"{path} {expected}", Texts.MessageOf(() => Texts.Documents(TextSource.Find([path]))));
    }

    [Fact]
    public void A_line_longer_than_the_buffer_is_read_whole()
    {
        string text = string.Concat(Enumerable.Range(0, 60_000).Select(i => $"{i} "));
        string path = _folder.Write("x.jsonl", $"{{\"text\":\"a\"}}\n{{\"text\":\"{text}\"}}\n{{\"text\":\"b\"}}");
        Assert.Equal(["a", text, "b"], Texts.Documents(TextSource.Find([path])));
    }

    [Fact]
    public void Every_truncation_of_a_packed_file_is_noticed()
    {
        byte[] packed = TemporaryFolder.Gzip(Encoding.UTF8.GetBytes(string.Concat(Enumerable.Range(0, 40).Select(i => $"{i * i} "))));
        for (int length = 1; length < packed.Length; length++)
        {
            string path = _folder["x.txt.gz"];
            File.WriteAllBytes(path, packed[..length]);
            Assert.StartsWith($"{path} is not a whole gzip file", Texts.MessageOf(() => Texts.Documents(TextSource.Find([path]))));
        }
    }

    [Fact]
    public void A_packed_file_of_several_members_is_read_whole_and_other_content_is_refused()
    {
        string path = _folder["x.txt.gz"];
        File.WriteAllBytes(path, [.. TemporaryFolder.Gzip("one "u8.ToArray()), .. TemporaryFolder.Gzip("two"u8.ToArray())]);
        Assert.Equal(["one two"], Texts.Documents(TextSource.Find([path])));
        File.WriteAllText(path, "this is not packed");
        Assert.StartsWith($"{path} is not a whole gzip file", Texts.MessageOf(() => Texts.Documents(TextSource.Find([path]))));
    }

    private IEnumerable<string> Names(TextSource source) =>
        source.Files.Select(file => Path.GetRelativePath(_folder.FullName, file.Name).Replace('\\', '/'));
}
