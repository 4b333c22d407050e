using System.Text;
using Xunit.Sdk;

namespace DynConv.Tests.Diagnostics;

/// <summary>What finds failures of readers has to find them itself.</summary>
public sealed class FuzzTests
{
    private static readonly byte[][] Samples =
    [
        Encoding.UTF8.GetBytes("{\"a\": 1, \"b\": [1.5, \"text\"]}\n{\"c\": null}\n"),
        Encoding.UTF8.GetBytes("model:\n  layers: 4\n  seed: 7\n"),
    ];

    [Fact]
    public void A_seed_makes_one_file_and_seeds_make_different_ones()
    {
        byte[][] made = [.. Enumerable.Range(0, 500).Select(static seed => Mutations.Make(seed, Samples))];
        Assert.Equal(made, Enumerable.Range(0, 500).Select(static seed => Mutations.Make(seed, Samples)));
        Assert.True(made.Select(Convert.ToHexString).Distinct().Count() > 400);
    }

    [Fact]
    public void Files_have_what_readers_stumble_over()
    {
        string[] made = [.. Enumerable.Range(0, 3000).Select(static seed => Encoding.Latin1.GetString(Mutations.Make(seed, Samples)))];
        string[] wanted = ["\\ud800", "[[[[[[[[", "{\"a\":{\"a\":{\"a\":", "\0", "\u00ff", "2147483648", "1e999", "!!int 5", "*a", "layers: 4\n  layers: 4", "\u00ef\u00bb\u00bf"];
        Assert.All(wanted, text => Assert.Contains(made, file => file.Contains(text, StringComparison.Ordinal)));
        Assert.Contains(made, static file => file.Length == 0);
        Assert.All(Enumerable.Range(0, 200), static seed => Mutations.Make(seed, [[]])); // nothing to mutate is no reason to fail
    }

    [Fact]
    public void Counts_what_was_read_and_what_was_refused()
    {
        FuzzResult result = Fuzz.Bytes("counts", Samples, static file =>
        {
            if (!file.Contains((byte)'1') && !file.Contains((byte)'4'))
            {
                throw new DynConvException("There is neither 1 nor 4 in it.");
            }
        }, cases: 100);
        Assert.True(result is { Accepted: > 20, Refused: > 5 } && result.Accepted + result.Refused >= 100, $"{result}");
    }

    [Theory]
    [InlineData("", "empty")]
    [InlineData("No end", "no sentence")]
    [InlineData("x.json: Object reference not set to an instance of an object.", "Object reference")]
    [InlineData("x.yaml: (Line: 1, Col: 1) While parsing a node, did not find it.", "While parsing")]
    public void Refuses_messages_that_are_no_sentences_of_our_own(string message, string fault) =>
        Fails($"{fault}", _ => throw new DynConvException(message));

    [Fact]
    public void Refuses_another_exception() => Fails("IndexOutOfRangeException", static _ => GC.KeepAlive(Samples[Samples.Length]));

    [Fact]
    public void Refuses_what_takes_too_much_memory() =>
        Fails("MiB were allocated", static _ => GC.KeepAlive(new byte[3 << 20]), new FuzzLimits(Allocation: 1 << 20));

    [Fact]
    public void Refuses_what_does_not_end() =>
        Fails("not read after", static _ => Thread.Sleep(Timeout.Infinite), new FuzzLimits(Seconds: 1));

    [Fact]
    public void Refuses_samples_that_are_none()
    {
        FailException failure = Assert.Throws<FailException>(static () => Fuzz.Bytes("samples", Samples, static _ => throw new DynConvException("No.")));
        Assert.Contains("refuses a sample", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Gives_each_file_a_folder()
    {
        string? before = null;
        Fuzz.Files("folders", "run.yaml", Samples, path =>
        {
            Assert.True(path != before && Path.GetFileName(path) == "run.yaml" && Directory.GetFileSystemEntries(Path.GetDirectoryName(path)!).Length == 1);
            before = path;
        }, cases: 20);
        Assert.False(Directory.Exists(Path.GetDirectoryName(before)));
    }

    /// <summary>A reader that reads the samples and fails at the first file that is none: the failure leaves that file.</summary>
    private static void Fails(string why, Action<byte[]> read, FuzzLimits? limits = null)
    {
        TrueException failure = Assert.Throws<TrueException>(() => Fuzz.Bytes("fails", Samples, file =>
        {
            if (!Samples.Any(sample => sample.SequenceEqual(file)))
            {
                read(file);
            }
        }, limits));
        Assert.Contains(why, failure.Message, StringComparison.Ordinal);
        string path = failure.Message[(failure.Message.IndexOf('(') + 1)..failure.Message.IndexOf(')')];
        int seed = int.Parse(failure.Message["fails, seed ".Length..failure.Message.IndexOf(" (", StringComparison.Ordinal)]);
        Assert.Equal(Mutations.Make(seed, Samples), File.ReadAllBytes(path));
        Directory.Delete(Path.GetDirectoryName(path)!, recursive: true);
    }
}
