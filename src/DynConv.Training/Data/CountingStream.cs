namespace DynConv.Training.Data;

/// <summary>A stream that knows how many bytes have been read from it.</summary>
internal sealed class CountingStream(Stream inner) : ReadOnlyStream
{
    private long _count;

    /// <summary>Bytes read so far; any thread may ask.</summary>
    public long Count => Interlocked.Read(ref _count);

    public override int Read(Span<byte> buffer)
    {
        int count = inner.Read(buffer);
        Interlocked.Add(ref _count, count);
        return count;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            inner.Dispose();
        }

        base.Dispose(disposing);
    }
}
