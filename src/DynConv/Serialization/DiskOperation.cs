namespace DynConv.Serialization;

/// <summary>A change on disk, or the promise that earlier ones are there to stay.</summary>
/// <param name="Path">The file or folder.</param>
internal abstract record DiskOperation(string Path)
{
    /// <summary>A file is there, and empty, whatever was there before.</summary>
    public sealed record Create(string Path) : DiskOperation(Path);

    /// <summary>Bytes went into a file.</summary>
    public sealed record Write(string Path, long Offset, byte[] Bytes) : DiskOperation(Path);

    /// <summary>A file has another length.</summary>
    public sealed record Resize(string Path, long Length) : DiskOperation(Path);

    /// <summary>A file's content, or a folder's names, survive a power failure.</summary>
    public sealed record Flush(string Path) : DiskOperation(Path);

    /// <summary>A folder is there.</summary>
    public sealed record CreateFolder(string Path) : DiskOperation(Path);

    /// <summary>A file or folder has another name in the same folder; a file that had it is gone.</summary>
    public sealed record Rename(string Path, string To) : DiskOperation(Path);

    /// <summary>A file or an empty folder is gone.</summary>
    public sealed record Delete(string Path) : DiskOperation(Path);
}
