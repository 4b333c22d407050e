using System.Text;

namespace DynConv.Training.Data;

/// <summary>
/// The unpacked bytes of a text file in UTF-8, without a byte-order mark; failures are sentences that name the file.
/// </summary>
internal sealed class TextStream : IDisposable
{
    private const int BufferBytes = 1 << 16;
    private const int MostPackings = 2;
    private const int MagicBytes = 6;

    private readonly TextFile _file;
    private readonly CountingStream _disk;
    private readonly PeekStream _text;

    public TextStream(TextFile file)
    {
        _file = file;
        _disk = new CountingStream(Translate(Open));
        PeekStream stream = new(_disk);
        try
        {
            stream = Translate(() => Unpack(stream));
            IsParquet = !IsPacked && Translate(() => stream.Peek(4).SequenceEqual("PAR1"u8));
            _text = IsParquet ? stream : Translate(() => Decode(stream));
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <summary>How far the file on disk has been read.</summary>
    public long Position => _disk.Count;

    /// <summary>Whether it is a Parquet file, which is not read as a stream.</summary>
    public bool IsParquet { get; }

    /// <summary>Whether gzip or Zstandard is around the text.</summary>
    public bool IsPacked { get; private set; }

    /// <summary>The next bytes of the text; fewer than asked for only at its end.</summary>
    public ReadOnlySpan<byte> Peek(int count)
    {
        try
        {
            return _text.Peek(count);
        }
        catch (Exception exception) when (IsReadFailure(exception))
        {
            throw Explain(exception);
        }
    }

    /// <summary>Fills <paramref name="buffer"/>; less than its length only at the end.</summary>
    public int Read(Span<byte> buffer)
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

    public void Dispose() => _text.Dispose();

    private Stream Open() => _file.IsStandardInput
        ? Console.OpenStandardInput()
        : new FileStream(_file.FullName, FileMode.Open, FileAccess.Read, FileShare.Read, BufferBytes, FileOptions.SequentialScan);

    private PeekStream Unpack(PeekStream stream)
    {
        for (int depth = 0; depth < MostPackings; depth++)
        {
            Packing packing = PackingOf(stream.Peek(MagicBytes));
            if (packing == Packing.None && depth == 0)
            {
                CheckName(stream);
            }

            if (packing == Packing.None)
            {
                break;
            }

            IsPacked = true;
            stream = new PeekStream(packing == Packing.Gzip ? new GzipTextStream(stream) : new ZstandardTextStream(stream));
        }

        return stream;
    }

    private static Packing PackingOf(ReadOnlySpan<byte> start) => start switch
    {
        [0x1F, 0x8B, 8, ..] => Packing.Gzip,
        [0x28, 0xB5, 0x2F, 0xFD, ..] or [>= 0x50 and <= 0x5F, 0x2A, 0x4D, 0x18, ..] => Packing.Zstandard,
        _ => Packing.None,
    };

    /// <summary>A file that is called packed and is not has lost its beginning, or is something else.</summary>
    private void CheckName(PeekStream stream)
    {
        if (_file.NamedPacking != Packing.None && !stream.Peek(1).IsEmpty)
        {
            string kind = _file.NamedPacking == Packing.Gzip ? "gzip" : "Zstandard";
            throw new DamagedDataException($"is not a whole {kind} file: it is truncated, damaged or something else");
        }
    }

    private static PeekStream Decode(PeekStream stream)
    {
        (Encoding? encoding, int markBytes) = TextEncodings.Find(stream.Peek(TextEncodings.PeekedBytes));
        stream.ReadExactly(stackalloc byte[markBytes]);
        return encoding is null
            ? stream
            : new PeekStream(Encoding.CreateTranscodingStream(stream, encoding, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false)));
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
        exception is IOException or UnauthorizedAccessException or DamagedDataException;

    private DynConvException Explain(Exception exception) => exception is DamagedDataException
        ? new($"{_file.Name} {exception.Message}.", exception)
        : new($"{_file.Name} cannot be read: {exception.Message}", exception);
}
