using System.Buffers;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.ExceptionServices;

namespace DynConv.Tests;

/// <summary>What a reader may take for one file.</summary>
/// <param name="Allocation">Bytes that the reading thread may allocate in all.</param>
/// <param name="Memory">Bytes by which the process may grow meanwhile, native and mapped memory included.</param>
/// <param name="Seconds">Only to end what would never end by itself.</param>
public sealed record FuzzLimits(long Allocation = 64L << 20, long Memory = 2L << 30, int Seconds = 60);

/// <summary>What became of the files.</summary>
/// <param name="Accepted">Read.</param>
/// <param name="Refused">Refused with a sentence.</param>
public sealed record FuzzResult(int Accepted, int Refused);

/// <summary>
/// Gives a reader <see cref="Mutations"/> of valid files: each is read, or refused by a <see cref="DynConvException"/> in
/// one line of our own. Anything else fails with the seed, and leaves the file. <c>DYNCONV_FUZZ_SECONDS</c> goes on for so
/// long, and <c>DYNCONV_FUZZ_SEED</c> begins elsewhere.
/// </summary>
public static class Fuzz
{
    /// <summary>Cases of one reader where no time is given.</summary>
    public const int DefaultCases = 200;

    private const int LongestMessage = 1100;
    private const int StackSize = 1 << 20;

    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(20);

    private static readonly SearchValues<char> Breaks = SearchValues.Create("\r\n\u0085\u2028\u2029");

    // What the runtime and the packages say of a failure; it means something to those who know the code alone.
    private static readonly string[] Foreign =
    [
        "Object reference", "Exception of type", "Index was out", "Index was outside", "Specified argument", "Value cannot be null", "(Parameter '",
        "System.", "YamlDotNet", "Parquet.", "DynConv.", "does not represent", "Arithmetic operation", "could not be converted", "LineNumber:", "BytePositionInLine",
        "Input string was not", "correct format", "Unable to translate", "Cannot get the value of a token", "cannot be converted to an object",
        "While parsing", "While scanning", "Encountered duplicate key", "item with the same key", "invalid start of a", "Operation is not valid",
        "Unable to cast", "Nullable object must", "Sequence contains", "Insufficient memory", "Array dimensions exceeded", "Unable to read beyond",
        "Attempted to read past", "Non-negative number required", "Stream was too long", "The node must be", "JsonNode", "JsonElement", "Cannot read incomplete UTF-16", "exceeds the maximum",
        "Unexpected character", "Did not find expected", "Invalid surrogate", "Value was either too large",
    ];

    /// <summary>Fuzzes a reader of bytes.</summary>
    /// <param name="name">Names the reader in failures and in the files that they leave.</param>
    /// <param name="samples">Files that it has to read.</param>
    /// <param name="read">Reads one; it may check what it has read.</param>
    /// <param name="limits">What it may take.</param>
    /// <param name="cases">How many files, where no time is given.</param>
    public static FuzzResult Bytes(string name, IReadOnlyList<byte[]> samples, Action<byte[]> read, FuzzLimits? limits = null, int cases = DefaultCases)
    {
        limits ??= new FuzzLimits();
        string folder = Directory.CreateTempSubdirectory("dynconv-fuzz-").FullName;
        foreach (byte[] sample in samples)
        {
            if (Try(Keep(folder, $"{name}.sample", sample), sample, read, limits) is { } refused)
            {
                Assert.Fail($"{name} refuses a sample as it is: {refused}");
            }
        }

        int seed = Setting("DYNCONV_FUZZ_SEED") ?? 0;
        TimeSpan? time = Setting("DYNCONV_FUZZ_SECONDS") is { } seconds ? TimeSpan.FromSeconds(seconds) : null;
        var clock = Stopwatch.StartNew();
        var (accepted, refusals) = (0, 0);
        for (int done = 0; time is null ? done < cases : clock.Elapsed < time; done++, seed++)
        {
            // On disk before it is read: a stack overflow leaves nothing else.
            byte[] file = Mutations.Make(seed, samples);
            string what = Keep(folder, $"{name}, seed {seed}", file);
            _ = Try(what, file, read, limits) is null ? accepted++ : refusals++;
        }

        Directory.Delete(folder, recursive: true);
        return new FuzzResult(accepted, refusals);
    }

    /// <summary>Fuzzes a reader of files; each file has a folder to itself.</summary>
    /// <param name="name">As for <see cref="Bytes"/>.</param>
    /// <param name="fileName">The name of each, for readers that go by it.</param>
    /// <param name="samples">Files that it has to read.</param>
    /// <param name="read">Reads the file at a path.</param>
    /// <param name="limits">What it may take.</param>
    /// <param name="cases">How many files, where no time is given.</param>
    public static FuzzResult Files(
        string name, string fileName, IReadOnlyList<byte[]> samples, Action<string> read, FuzzLimits? limits = null, int cases = DefaultCases)
    {
        string folder = Directory.CreateTempSubdirectory("dynconv-fuzz-file-").FullName;
        try
        {
            int number = 0;
            return Bytes(name, samples, bytes =>
            {
                string own = Directory.CreateDirectory(Path.Combine(folder, (number++).ToString(CultureInfo.InvariantCulture))).FullName;
                try
                {
                    string path = Path.Combine(own, fileName);
                    File.WriteAllBytes(path, bytes);
                    read(path);
                }
                finally
                {
                    Directory.Delete(own, recursive: true);
                }
            }, limits, cases);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>What is wrong with a message that people are to see; null if nothing.</summary>
    /// <param name="message">A <see cref="DynConvException"/>'s.</param>
    public static string? Fault(string message) =>
        string.IsNullOrWhiteSpace(message) ? "the message is empty"
        : message.AsSpan().ContainsAny(Breaks) ? "the message has more than one line"
        : message.Length > LongestMessage ? $"the message has {message.Length} characters"
        : message[^1] is not ('.' or '?' or '!' or ')') ? "the message is no sentence"
        : Array.Find(Foreign, message.Contains) is { } foreign ? $"the message says '{foreign}'"
        : null;

    private static int? Setting(string variable) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), NumberStyles.None, CultureInfo.InvariantCulture, out int value) ? value : null;

    private static string Keep(string folder, string what, byte[] file)
    {
        string path = Path.Combine(folder, "input");
        File.WriteAllBytes(path, file);
        return $"{what} ({path})";
    }

    /// <summary>Null if the file was read, or the sentence that refuses it.</summary>
    private static string? Try(string what, byte[] file, Action<byte[]> read, FuzzLimits limits)
    {
        ExceptionDispatchInfo? failure = null;
        long allocated = 0;
        var thread = new Thread(
            () =>
            {
                long before = GC.GetAllocatedBytesForCurrentThread();
                try
                {
                    read(file);
                }
                catch (Exception exception)
                {
                    failure = ExceptionDispatchInfo.Capture(exception);
                }

                allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            },
            StackSize) { IsBackground = true, Name = "fuzz" };
        long size = Environment.WorkingSet;
        var clock = Stopwatch.StartNew();
        thread.Start();
        while (!thread.Join(Look))
        {
            Assert.True(clock.Elapsed.TotalSeconds < limits.Seconds, $"{what}: not read after {limits.Seconds} s.");
            Assert.True(Environment.WorkingSet - size < limits.Memory, $"{what}: the process has grown by more than {limits.Memory >> 20} MiB.");
        }

        Exception? thrown = failure?.SourceException;
        Assert.True(thrown is null or DynConvException, $"{what}: {thrown}");
        Assert.True(allocated <= limits.Allocation, $"{what}: {allocated >> 20} MiB were allocated for {file.Length} bytes; {limits.Allocation >> 20} MiB are the limit.");
        string? fault = thrown is null ? null : Fault(thrown.Message);
        Assert.True(fault is null, $"{what}: {fault}: {thrown?.Message}");
        return thrown?.Message;
    }
}
