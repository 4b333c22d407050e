using DynConv.Serialization;

namespace DynConv.Tests.Serialization;

public sealed class AtomicFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_file_is_written_and_replaced()
    {
        AtomicFile.WriteAllText(_folder["a"], "first");
        AtomicFile.WriteAllText(_folder["a"], "zweites ✓");
        Assert.Equal("zweites ✓", File.ReadAllText(_folder["a"]));
        Assert.Equal(["a"], _folder.Names);
    }

    [Fact]
    public void A_link_stays_one_and_its_file_is_replaced()
    {
        AtomicFile.WriteAllText(_folder["a"], "first");
        File.CreateSymbolicLink(_folder["link"], _folder["a"]);
        AtomicFile.WriteAllText(_folder["link"], "second");
        Assert.Equal(_folder["a"], new FileInfo(_folder["link"]).LinkTarget);
        Assert.Equal("second", File.ReadAllText(_folder["a"]));
        Assert.Equal(["a", "link"], _folder.Names.Order());
    }

    [Fact]
    public void A_write_that_throws_leaves_the_old_file_and_nothing_else()
    {
        AtomicFile.WriteAllText(_folder["a"], "old");
        Assert.Throws<InvalidOperationException>(() => AtomicFile.Write(_folder["a"], stream =>
        {
            stream.Write(new byte[3_000_000]);
            throw new InvalidOperationException();
        }));
        Assert.Equal("old", File.ReadAllText(_folder["a"]));
        Assert.Equal(["a"], _folder.Names);
    }

    [Fact]
    public void A_full_disk_is_said_in_one_sentence()
    {
        Assert.SkipUnless(File.Exists("/dev/full"), "this system has no /dev/full");
        AtomicFile.WriteAllText(_folder["a"], "old");
        DynConvException failure = Assert.Throws<DynConvException>(() => AtomicFile.Write(_folder["a"], _ =>
        {
            using FileStream full = new("/dev/full", FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
            full.Write([1]);
        }));
        Assert.Equal($"{_folder["a"]} could not be written: the disk is full.", failure.Message);
        Assert.Equal("old", File.ReadAllText(_folder["a"]));
        Assert.Equal(["a"], _folder.Names);
    }

    [Fact]
    public void A_missing_folder_is_said_in_one_sentence()
    {
        string path = Path.Combine(_folder["none"], "a");
        Assert.StartsWith(
            $"{path} could not be written: ",
            Assert.Throws<DynConvException>(() => AtomicFile.WriteAllText(path, "x")).Message);
    }

    [Fact]
    public void What_a_killed_process_left_is_overwritten()
    {
        File.WriteAllText(_folder["a.tmp"], "half of something longer");
        AtomicFile.WriteAllText(_folder["a"], "whole");
        Assert.Equal("whole", File.ReadAllText(_folder["a"]));
        Assert.Equal(["a"], _folder.Names);
    }

    [Fact]
    public void A_folder_is_written_and_replaced_as_a_whole()
    {
        AtomicFolder.Write(_folder["run"], folder => File.WriteAllText(Path.Combine(folder, "one"), "1"));
        AtomicFolder.Write(_folder["run"], folder => File.WriteAllText(Path.Combine(folder, "two"), "2"));
        Assert.Equal([_folder["run/two"]], Directory.GetFiles(_folder["run"]));
        Assert.Equal(["run"], _folder.Names);
    }

    [Fact]
    public void A_folder_that_fails_leaves_the_old_one_and_nothing_else()
    {
        AtomicFolder.Write(_folder["run"], folder => File.WriteAllText(Path.Combine(folder, "one"), "1"));
        Directory.CreateDirectory(_folder["run.tmp"]);
        File.WriteAllText(_folder["run.tmp/left"], "by a killed process");
        Assert.Throws<InvalidOperationException>(() => AtomicFolder.Write(_folder["run"], folder =>
        {
            Assert.Empty(Directory.GetFiles(folder));
            File.WriteAllText(Path.Combine(folder, "two"), "2");
            throw new InvalidOperationException();
        }));
        Assert.Equal([_folder["run/one"]], Directory.GetFiles(_folder["run"]));
        Assert.Equal(["run"], _folder.Names);
    }
}
