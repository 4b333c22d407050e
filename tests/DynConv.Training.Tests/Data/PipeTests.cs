using System.Diagnostics;
using System.Text;
using DynConv.Training.Data;
using DynConv.Training.Tests.Runs;

namespace DynConv.Training.Tests.Data;

/// <summary>What cannot be sought, what leads nowhere, and what has gone when a run goes on.</summary>
public sealed class PipeTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public PipeTests() => Assert.SkipUnless(OperatingSystem.IsLinux(), "named pipes of Linux");

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("{\"text\":\"a\"}\n{\"text\":\"b\"}\n", "a,b")]
    [InlineData("plain text", "plain text")]
    public async Task A_pipe_is_read_once_whatever_comes_through_it(string content, string documents)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(content);
        foreach (byte[] sent in (byte[][])[bytes, TemporaryFolder.Gzip(bytes), Packings.Zstandard(bytes), [0xFE, 0xFF, .. Encoding.BigEndianUnicode.GetBytes(content)]])
        {
            string pipe = Pipe();
            Task writing = Send(pipe, sent);
            Assert.Equal(documents, string.Join(',', Texts.Documents(pipe)));
            await writing;
        }
    }

    [Fact]
    public async Task Parquet_and_nothing_at_all_are_refused_in_a_pipe()
    {
        string pipe = Pipe();
        Task writing = Send(pipe, Packings.Parquet(["a"]));
        Assert.StartsWith($"{pipe} is a Parquet file, whose end has to be read first", Texts.MessageOf(() => Texts.Documents(pipe)));
        await writing;
        pipe = Pipe();
        writing = Send(pipe, []);
        Assert.Equal($"{pipe} is empty.", Texts.MessageOf(() => Texts.Documents(pipe)));
        await writing;
    }

    [Fact]
    public void Links_that_lead_nowhere_and_what_is_no_file_are_left_out_of_a_folder_and_named()
    {
        _folder.Write("data/a.txt", "a");
        File.CreateSymbolicLink(_folder["data/dead"], _folder["nowhere"]);
        File.CreateSymbolicLink(_folder["data/loop1"], _folder["data/loop2"]);
        File.CreateSymbolicLink(_folder["data/loop2"], _folder["data/loop1"]);
        File.CreateSymbolicLink(_folder["data/null"], "/dev/null");
        Directory.CreateSymbolicLink(_folder["data/self"], _folder["data"]);
        File.CreateSymbolicLink(_folder["data/link.txt"], _folder.Write("b.txt", "b"));
        Pipe("data/pipe");
        _folder.Write("data/empty.txt", "");
        using var socket = new System.Net.Sockets.Socket(System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Unspecified);
        socket.Bind(new System.Net.Sockets.UnixDomainSocketEndPoint(_folder["data/socket"]));
        TextSource source = TextSource.Find([_folder["data"]]);
        Assert.Equal(["a", "b"], Texts.Documents(source));
        Assert.Equal(
            ["dead: dead link", "empty.txt: empty", "loop1: circular link", "loop2: circular link", "null: device", "pipe: pipe", "self: link to a folder", "socket: socket"],
            source.LeftOut.Select(file => $"{Path.GetFileName(file.Name)}: {file.Reason}").Order(StringComparer.Ordinal));
        string note = Assert.Single(DataNotes.NotRead(source.LeftOut, null));
        Assert.StartsWith($"Left out of the data: 2 circular link ({_folder["data"]}/loop1, {_folder["data"]}/loop2), 1 dead link (", note);
        Assert.Equal($"There is no file or folder {_folder["data/dead"]}.", Texts.MessageOf(() => TextSource.Find([_folder["data/dead"]])));
        Assert.StartsWith($"{_folder["data/loop1"]} cannot be read: ", Texts.MessageOf(() => TextSource.Find([_folder["data/loop1"]])));
    }

    [Fact]
    public async Task A_run_from_a_pipe_goes_on_without_it()
    {
        using var run = new TinyRun();
        run.Start("whole");
        string pipe = Pipe();
        run.Configuration = run.Configuration with { Data = [pipe] };
        Task writing = Send(pipe, File.ReadAllBytes(run.Text));
        run.Start(recorder: new Recorder { StopAfter = 5 });
        await writing;
        File.Delete(pipe);
        run.Resume();
        run.AssertSameOutcome("whole", "run");
    }

    [Fact]
    public void A_run_goes_on_when_its_text_has_gone_and_needs_it_when_the_encoded_text_is_damaged()
    {
        using var run = new TinyRun();
        run.Start("whole");
        run.Start(recorder: new Recorder { StopAfter = 5 });
        File.Delete(run.Text);
        string tokens = Path.Combine(run["run"], "data", "train", "tokens-00000.bin");
        byte[] whole = File.ReadAllBytes(tokens);
        File.WriteAllBytes(tokens, [.. whole.Select(static value => (byte)(value ^ 1))]);
        Assert.Contains("tokens-00000.bin is damaged", run.ResumeFailure());
        File.WriteAllBytes(tokens, whole);
        run.Resume();
        run.AssertSameOutcome("whole", "run");
    }

    [Fact]
    public void Where_a_run_was_started_does_not_matter_when_it_goes_on()
    {
        using var run = new TinyRun();
        run.Start("whole");
        string before = Directory.GetCurrentDirectory();
        run.Configuration = run.Configuration with { Data = [Path.GetRelativePath(before, run.Text)] };
        run.Start(recorder: new Recorder { StopAfter = 5 });

        string manifest = Path.Combine(run["run"], "data", "train", "manifest.json");
        Assert.Equal([run.Text], DataManifest.Load(Path.GetDirectoryName(manifest)!).Paths);
        run.Resume();
        run.AssertSameOutcome("whole", "run");
    }

    private string Pipe(string? name = null)
    {
        string path = _folder[name ?? Guid.NewGuid().ToString("N")];
        using Process made = Process.Start("mkfifo", [path]);
        made.WaitForExit();
        Assert.Equal(0, made.ExitCode);
        return path;
    }

    private static Task Send(string pipe, byte[] content) => Task.Run(() =>
    {
        try
        {
            using var stream = new FileStream(pipe, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
            stream.Write(content);
        }
        catch (IOException)
        {
            // The reader has had enough.
        }
    });
}
