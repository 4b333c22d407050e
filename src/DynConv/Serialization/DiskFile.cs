namespace DynConv.Serialization;

/// <summary>A file that is being written, with what <see cref="Disk.Observer"/> wants to know of it.</summary>
internal sealed class DiskFile(FileStream stream) : Stream
{
    public string Name => stream.Name;

    public override bool CanRead => false;

    public override bool CanSeek => true;

    public override bool CanWrite => true;

    public override long Length => stream.Length;

    public override long Position
    {
        get => stream.Position;
        set => stream.Position = value;
    }

    /// <summary>Returns when the content survives a power failure.</summary>
    public void FlushToDisk()
    {
        stream.Flush(flushToDisk: true);
        Disk.Observer?.Invoke(new DiskOperation.Flush(Name));
    }

    public override void Flush() => stream.Flush();

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        long offset = Disk.Observer is null ? 0 : stream.Position;
        stream.Write(buffer);
        Disk.Observer?.Invoke(new DiskOperation.Write(Name, offset, buffer.ToArray()));
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void WriteByte(byte value) => Write([value]);

    public override void SetLength(long value)
    {
        stream.SetLength(value);
        Disk.Observer?.Invoke(new DiskOperation.Resize(Name, value));
    }

    public override long Seek(long offset, SeekOrigin origin) => stream.Seek(offset, origin);

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            stream.Dispose();
        }

        base.Dispose(disposing);
    }
}
