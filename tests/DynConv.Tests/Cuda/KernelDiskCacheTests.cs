using DynConv.Cuda;
using DynConv.Tests.Serialization;

namespace DynConv.Tests.Cuda;

public sealed class KernelDiskCacheTests : IDisposable
{
    private static readonly KernelRequest Request = new(KernelSources.KernelFiles.First(), "entry", []);

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_file_s_name_depends_on_all_that_its_contents_do()
    {
        var cache = new KernelDiskCache(_folder.FullName);
        string[] files =
        [
            cache.FileOf(Request, ["-DT=float"], "13.0"),
            cache.FileOf(Request, ["-DT=bf16"], "13.0"),
            cache.FileOf(Request, ["-DT=float"], "13.1"),
            cache.FileOf(Request, ["-DT=", "float"], "13.0"),
        ];
        Assert.Equal(files.Length, files.Distinct().Count());
        Assert.Equal(files[0], cache.FileOf(Request, ["-DT=float"], "13.0"));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(20)]
    [InlineData(500)]
    public void A_file_cut_short_or_changed_counts_as_none_and_is_written_anew(int bytesKept)
    {
        var cache = new KernelDiskCache(_folder.FullName);
        string file = cache.FileOf(Request, [], "13.0");
        byte[] code = Code(1, 1000);
        cache.Write(file, code);
        Assert.Equal(code, KernelDiskCache.Read(file));

        byte[] whole = File.ReadAllBytes(file);
        File.WriteAllBytes(file, whole[..bytesKept]);
        Assert.Null(KernelDiskCache.Read(file));

        whole[^1] ^= 1;
        File.WriteAllBytes(file, whole);
        Assert.Null(KernelDiskCache.Read(file));

        cache.Write(file, code);
        Assert.Equal(code, KernelDiskCache.Read(file));
        Assert.Single(_folder.Names);
    }

    [Fact]
    public void The_files_used_last_stay_within_the_limit()
    {
        var cache = new KernelDiskCache(_folder.FullName, limitBytes: 5000);
        string[] files = [.. Enumerable.Range(0, 4).Select(i => cache.FileOf(Request, [$"-DI={i}"], "13.0"))];
        for (int i = 0; i < 4; i++)
        {
            cache.Write(files[i], Code(i, 1000));
            File.SetLastWriteTimeUtc(files[i], DateTime.UtcNow.AddMinutes(i - 10));
        }

        // The oldest is used again, so that the second is the one to go.
        Assert.NotNull(KernelDiskCache.Read(files[0]));
        File.WriteAllText(_folder["not-ours.txt"], "stays");
        string last = cache.FileOf(Request, ["-DI=4"], "13.0");
        cache.Write(last, Code(4, 1000));
        Assert.Equal([true, false, true, true, true], files.Append(last).Select(File.Exists));
        Assert.True(File.Exists(_folder["not-ours.txt"]));
    }

    [Fact]
    public void What_a_killed_process_left_is_cleared_away()
    {
        var cache = new KernelDiskCache(_folder.FullName);
        File.WriteAllText(_folder["old.cubin.1.tmp"], "half");
        File.SetLastWriteTimeUtc(_folder["old.cubin.1.tmp"], DateTime.UtcNow.AddDays(-1));
        File.WriteAllText(_folder["new.cubin.2.tmp"], "being written");
        cache.Write(cache.FileOf(Request, [], "13.0"), Code(1, 100));
        Assert.DoesNotContain("old.cubin.1.tmp", _folder.Names);
        Assert.Contains("new.cubin.2.tmp", _folder.Names);
    }

    [Fact]
    public void Many_may_write_and_read_at_once_and_none_sees_a_part()
    {
        string file = new KernelDiskCache(_folder.FullName).FileOf(Request, [], "13.0");
        byte[] code = Code(1, 200_000);
        new KernelDiskCache(_folder.FullName).Write(file, code);
        Parallel.For(0, 200, i =>
        {
            var cache = new KernelDiskCache(_folder.FullName);
            if (i % 2 == 0)
            {
                cache.Write(file, code);
            }

            Assert.Equal(code, KernelDiskCache.Read(file));
        });
        Assert.Single(_folder.Names);
    }

    [Fact]
    public void A_folder_that_cannot_be_made_is_no_failure()
    {
        File.WriteAllText(_folder["file"], "");
        var cache = new KernelDiskCache(_folder["file"]);
        string file = cache.FileOf(Request, [], "13.0");
        cache.Write(file, Code(1, 100));
        Assert.Null(KernelDiskCache.Read(file));
    }

    private static byte[] Code(int seed, int length)
    {
        var code = new byte[length];
        new Random(seed).NextBytes(code);
        return code;
    }
}
