using System.IO.Compression;

namespace DynConv.Training.Data;

/// <summary>
/// Unpacks gzip and, unlike <see cref="GZipStream"/>, notices when the end is missing and when something else follows it.
/// Zeros after the end, with which tapes and blocks are filled up, do no harm.
/// </summary>
/// <remarks>
/// A gzip file is a row of members, and one more member may follow. One with a known mark is put behind the file: the
/// mark comes out at the end if, and only if, all members before it were whole. Zeros at the file's end may belong to the
/// last member or be too much, so they are handed on one by one: the decoder asks for no more after the first that does
/// not belong to it.
/// </remarks>
internal sealed class GzipTextStream : ReadOnlyStream
{
    private const int BufferBytes = 1 << 16;

    private static readonly byte[] Mark = [.. "end of text "u8, 0xF7, 0x3B, 0xC1, 0x0E];
    private static readonly byte[] MarkMember = Pack(Mark);

    private readonly MarkedStream _packed;
    private readonly GZipStream _gzip;
    private readonly byte[] _buffer = new byte[BufferBytes];
    private int _start;
    private int _end;
    private int _heldBack = Mark.Length;

    public GzipTextStream(Stream packed)
    {
        _packed = new MarkedStream(packed);
        _gzip = new GZipStream(_packed, CompressionMode.Decompress);
    }

    public override int Read(Span<byte> buffer)
    {
        if (buffer.IsEmpty)
        {
            return 0;
        }

        // The last bytes are held back until it is clear that they are text and not the mark.
        while (_end - _start <= _heldBack)
        {
            if (!Refill())
            {
                return 0;
            }
        }

        int count = Math.Min(buffer.Length, _end - _start - _heldBack);
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
        if (_heldBack == 0)
        {
            return false;
        }

        _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
        _end -= _start;
        _start = 0;
        int count = Unpack();
        _end += count;
        if (count > 0)
        {
            return true;
        }

        if (_packed.EndedInZeros)
        {
            // No mark has come, so what was held back is text.
            _heldBack = 0;
            return _end > 0;
        }

        return _buffer.AsSpan(0, _end).SequenceEqual(Mark) ? false : throw NotWhole();
    }

    private int Unpack()
    {
        try
        {
            return _gzip.Read(_buffer.AsSpan(_end));
        }
        catch (InvalidDataException exception)
        {
            throw NotWhole(exception);
        }
    }

    private static DamagedDataException NotWhole(Exception? cause = null) =>
        new("is not a whole gzip file: it is truncated, damaged or something else", cause);

    private static byte[] Pack(byte[] bytes)
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Optimal))
        {
            gzip.Write(bytes);
        }

        return packed.ToArray();
    }

    /// <summary>A stream with the packed mark after its end, and the zeros before its end apart from the rest.</summary>
    private sealed class MarkedStream(Stream packed) : ReadOnlyStream
    {
        private readonly byte[] _buffer = new byte[BufferBytes];
        private int _start;
        private int _end;
        private int _trailing;
        private long _zeros;
        private bool _ended;
        private bool _handedZero;
        private int _markUsed;

        /// <summary>Whether the decoder, once it had nothing but zeros left to take, was content before it came to the mark.</summary>
        public bool EndedInZeros => _ended && _start == _end && _handedZero && _markUsed == 0;

        public override int Read(Span<byte> buffer)
        {
            if (_start == _end && !_ended)
            {
                Refill();
            }

            if (_start < _end)
            {
                return Take(buffer);
            }

            if (_zeros > 0)
            {
                _zeros--;
                _handedZero = true;
                buffer[0] = 0;
                return 1;
            }

            int count = Math.Min(buffer.Length, MarkMember.Length - _markUsed);
            MarkMember.AsSpan(_markUsed, count).CopyTo(buffer);
            _markUsed += count;
            return count;
        }

        /// <summary>Zeros that were held back and then turned out to lie in the middle come first.</summary>
        private int Take(Span<byte> buffer)
        {
            int zeros = (int)Math.Min(buffer.Length, _zeros);
            buffer[..zeros].Clear();
            _zeros -= zeros;
            int count = Math.Min(buffer.Length - zeros, _end - _start);
            _buffer.AsSpan(_start, count).CopyTo(buffer[zeros..]);
            _start += count;
            if (_start == _end)
            {
                // The zeros behind what has been taken wait for what comes after them.
                _zeros += _trailing;
                _trailing = 0;
            }

            return zeros + count;
        }

        private void Refill()
        {
            do
            {
                int count = packed.Read(_buffer);
                _ended = count == 0;
                _start = 0;
                _end = _buffer.AsSpan(0, count).LastIndexOfAnyExcept((byte)0) + 1;
                _trailing = count - _end;
                if (_end == 0)
                {
                    _zeros += _trailing;
                    _trailing = 0;
                }
            }
            while (_end == 0 && !_ended);
        }
    }
}
