namespace DynConv.Training.Data;

/// <summary>The unpacked bytes of a text file, without a byte-order mark; failures are sentences that name the file.</summary>
internal sealed class TextStream : IDisposable
{
    private const int BufferBytes = 1 << 16;

    private static ReadOnlySpan<byte> ByteOrderMark => [0xEF, 0xBB, 0xBF];

    private readonly TextFile _file;
    private readonly FileStream _disk;
    private readonly Stream _text;
    private readonly byte[] _first = new byte[3];
    private int _firstCount;
    private int _firstUsed;

    public TextStream(TextFile file)
    {
        _file = file;
        _disk = Translate(() => new FileStream(
            file.Name, FileMode.Open, FileAccess.Read, FileShare.Read, BufferBytes, FileOptions.SequentialScan));
        _text = file.IsCompressed ? new GzipTextStream(_disk) : _disk;
        SkipByteOrderMark();
    }

    /// <summary>How far the file on disk has been read.</summary>
    public long Position => _disk.Position;

    /// <summary>Fills <paramref name="buffer"/>; less than its length only at the end.</summary>
    public int Read(Span<byte> buffer)
    {
        int count = Math.Min(buffer.Length, _firstCount - _firstUsed);
        _first.AsSpan(_firstUsed, count).CopyTo(buffer);
        _firstUsed += count;
        return count + ReadText(buffer[count..]);
    }

    public void Dispose()
    {
        _text.Dispose();
        _disk.Dispose();
    }

    private void SkipByteOrderMark()
    {
        try
        {
            _firstCount = ReadText(_first);
        }
        catch
        {
            Dispose();
            throw;
        }

        _firstUsed = _first.AsSpan(0, _firstCount).SequenceEqual(ByteOrderMark) ? _firstCount : 0;
    }

    private int ReadText(Span<byte> buffer)
    {
        try
        {
            return _text.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
        }
        catch (Exception exception) when (IsReadFailure(exception))
        {
            throw Explain(exception);
        }
    }

    private T Translate<T>(Func<T> open)
    {
        try
        {
            return open();
        }
        catch (Exception exception) when (IsReadFailure(exception))
        {
            throw Explain(exception);
        }
    }

    private static bool IsReadFailure(Exception exception) =>
        exception is IOException or UnauthorizedAccessException or InvalidDataException;

    private DynConvException Explain(Exception exception) => exception is InvalidDataException
        ? new($"{_file.Name} is not a whole gzip file: it is truncated, damaged or something else.", exception)
        : new($"{_file.Name} cannot be read: {exception.Message}", exception);
}
