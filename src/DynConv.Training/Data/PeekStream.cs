namespace DynConv.Training.Data;

/// <summary>A stream whose next bytes can be looked at before they are read.</summary>
internal sealed class PeekStream(Stream inner) : ReadOnlyStream
{
    private byte[] _peeked = [];
    private int _start;
    private int _end;

    /// <summary>The next <paramref name="count"/> bytes; fewer only if the stream has no more.</summary>
    public ReadOnlySpan<byte> Peek(int count)
    {
        if (_end - _start < count)
        {
            byte[] longer = new byte[count];
            _peeked.AsSpan(_start, _end - _start).CopyTo(longer);
            _end -= _start;
            _start = 0;
            _peeked = longer;
            _end += inner.ReadAtLeast(_peeked.AsSpan(_end), count - _end, throwOnEndOfStream: false);
        }

        return _peeked.AsSpan(_start, Math.Min(count, _end - _start));
    }

    public override int Read(Span<byte> buffer)
    {
        int count = Math.Min(buffer.Length, _end - _start);
        if (count == 0)
        {
            return inner.Read(buffer);
        }

        _peeked.AsSpan(_start, count).CopyTo(buffer);
        _start += count;
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
