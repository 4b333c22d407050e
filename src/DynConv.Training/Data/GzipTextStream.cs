using System.IO.Compression;

namespace DynConv.Training.Data;

/// <summary>
/// Unpacks gzip and, unlike <see cref="GZipStream"/>, notices when the end is missing.
/// </summary>
/// <remarks>
/// A gzip file is a row of members, and one more member may follow. One with a known mark is put behind the file: the
/// mark comes out at the end if, and only if, all members before it were whole.
/// </remarks>
internal sealed class GzipTextStream : ReadOnlyStream
{
    private const int BufferBytes = 1 << 16;

    private static readonly byte[] Mark = [.. "end of text "u8, 0xF7, 0x3B, 0xC1, 0x0E];
    private static readonly byte[] MarkMember = Pack(Mark);

    private readonly GZipStream _gzip;
    private readonly byte[] _buffer = new byte[BufferBytes];
    private int _start;
    private int _end;

    public GzipTextStream(Stream packed) => _gzip = new GZipStream(new MarkedStream(packed), CompressionMode.Decompress);

    public override int Read(Span<byte> buffer)
    {
        if (buffer.IsEmpty)
        {
            return 0;
        }

        // The last bytes are held back until it is clear that they are text and not the mark.
        while (_end - _start <= Mark.Length)
        {
            if (!Refill())
            {
                return 0;
            }
        }

        int count = Math.Min(buffer.Length, _end - _start - Mark.Length);
        _buffer.AsSpan(_start, count).CopyTo(buffer);
        _start += count;
        return count;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _gzip.Dispose();
        }

        base.Dispose(disposing);
    }

    private bool Refill()
    {
        _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
        _end -= _start;
        _start = 0;
        int count = _gzip.Read(_buffer.AsSpan(_end));
        _end += count;
        if (count == 0 && !_buffer.AsSpan(0, _end).SequenceEqual(Mark))
        {
            throw new InvalidDataException("The gzip data ends too early.");
        }

        return count > 0;
    }

    private static byte[] Pack(byte[] bytes)
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Optimal))
        {
            gzip.Write(bytes);
        }

        return packed.ToArray();
    }

    /// <summary>A stream with the packed mark after its end.</summary>
    private sealed class MarkedStream(Stream packed) : ReadOnlyStream
    {
        private int _markUsed;

        public override int Read(Span<byte> buffer)
        {
            int count = packed.Read(buffer);
            if (count == 0)
            {
                count = Math.Min(buffer.Length, MarkMember.Length - _markUsed);
                MarkMember.AsSpan(_markUsed, count).CopyTo(buffer);
                _markUsed += count;
            }

            return count;
        }
    }
}
