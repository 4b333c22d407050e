namespace DynConv.Cli.Commands;

/// <summary>Lines of bytes, each as soon as it has come; a line feed ends one, and is not part of it.</summary>
internal sealed class InputLines(Stream stream)
{
    private readonly byte[] _buffer = new byte[1 << 16];
    private int _start;
    private int _end;

    /// <summary>The next line; null at the end.</summary>
    /// <exception cref="DynConvException">A line is longer than memory can hold in one piece.</exception>
    public byte[]? Read()
    {
        List<byte>? line = null;
        while (true)
        {
            int length = _buffer.AsSpan(_start, _end - _start).IndexOf((byte)'\n');
            if (length >= 0)
            {
                byte[] rest = _buffer[_start..(_start + length)];
                _start += length + 1;
                return line is null ? rest : [.. line, .. rest];
            }

            if (_end > _start)
            {
                line ??= [];
                if (line.Count > Array.MaxLength - _buffer.Length)
                {
                    throw new DynConvException("A line of the input is longer than 2 GB.");
                }

                line.AddRange(_buffer.AsSpan(_start, _end - _start));
            }

            (_start, _end) = (0, stream.Read(_buffer));
            if (_end == 0)
            {
                return line is null ? null : [.. line];
            }
        }
    }
}
