namespace DynConv.Training.Runs;

/// <summary>
/// Reads a run's <c>metrics.jsonl</c> and, when asked again, what has been added. A log that was cut back or begun anew,
/// as a resumed run's is, is read again from its start. What is no row is left out and counted, and a last line that is
/// only half written waits for its other half.
/// </summary>
/// <param name="path">The file.</param>
/// <param name="limit">Bytes that are read at most.</param>
internal sealed class MetricsReader(string path, long limit = long.MaxValue)
{
    private const byte EndOfLine = (byte)'\n';
    private const int LongestLine = 1 << 16;

    private readonly MetricsRow _row = new();
    private readonly byte[] _buffer = new byte[LongestLine];
    private byte[] _lastLine = [];
    private long _position;
    private bool _inLongLine;
    private long _lines;
    private long _leftOut;
    private long _firstLeftOut;
    private double _trainingStep;
    private double _validationStep;
    private bool _beyondLimit;

    /// <summary>Changes when rows that were there before are no longer valid.</summary>
    public int Epoch { get; private set; } = 1;

    /// <summary>What of the file was left out, in a sentence; null if nothing.</summary>
    public string? LeftOut =>
        _leftOut == 1 ? $"{path}, line {_firstLeftOut} is not a line of metrics and was left out."
        : _leftOut > 1 ? $"{path}, line {_firstLeftOut} is not a line of metrics and was left out, as were {_leftOut - 1:N0} more lines."
        : _beyondLimit ? $"{path} is larger than {limit >> 20} MiB; what comes after them was left out."
        : null;

    /// <summary>Reads the rows that are new.</summary>
    /// <param name="onRow">Takes a row, which is another one at the next call.</param>
    /// <param name="onRestart">Forgets the rows that were there before.</param>
    /// <exception cref="DynConvException">The file cannot be read.</exception>
    public void Read(Action<MetricsRow> onRow, Action? onRestart = null)
    {
        try
        {
            if (!File.Exists(path))
            {
                Restart(onRestart);
                return;
            }

            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
            if (!Continues(file))
            {
                Restart(onRestart);
            }

            ReadFrom(file, onRow);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new DynConvException($"{path} cannot be read: {exception.Message}", exception);
        }
    }

    // Lines hold times, so that a line of another run, or of the same run done again, is hardly ever the same.
    private bool Continues(FileStream file)
    {
        if (file.Length < _position)
        {
            return false;
        }

        var there = new byte[_lastLine.Length];
        file.Position = _position - _lastLine.Length;

        // The file may be cut back at any moment.
        return file.ReadAtLeast(there, there.Length, throwOnEndOfStream: false) == there.Length && there.AsSpan().SequenceEqual(_lastLine);
    }

    private void Restart(Action? onRestart)
    {
        if (_position > 0)
        {
            Epoch++;
        }

        (_position, _lines, _lastLine, _inLongLine) = (0, 0, [], false);
        (_leftOut, _firstLeftOut, _trainingStep, _validationStep, _beyondLimit) = (0, 0, 0, 0, false);
        onRestart?.Invoke();
    }

    private void ReadFrom(FileStream file, Action<MetricsRow> onRow)
    {
        file.Position = _position;
        int have = 0;
        while (_position + have < limit && file.Read(_buffer, have, (int)Math.Min(_buffer.Length - have, limit - _position - have)) is > 0 and int count)
        {
            have += count;
            int used = TakeLines(_buffer.AsSpan(0, have), onRow);
            if (used == 0 && have == _buffer.Length)
            {
                // No line of ours is as long; what it begins with is nothing to compare with later.
                (_inLongLine, used, _lastLine) = (true, have, []);
            }

            _position += used;
            have -= used;
            _buffer.AsSpan(used, have).CopyTo(_buffer);
        }

        _beyondLimit = _position + have >= limit;
    }

    private int TakeLines(ReadOnlySpan<byte> text, Action<MetricsRow> onRow)
    {
        int used = 0;
        ReadOnlySpan<byte> last = default;
        for (int end = text.IndexOf(EndOfLine); end >= 0; end = text[used..].IndexOf(EndOfLine))
        {
            ReadOnlySpan<byte> line = text.Slice(used, end);
            used += end + 1;
            _lines++;
            if (!_inLongLine && _row.TryRead(_lines == 1 && line is [0xEF, 0xBB, 0xBF, ..] ? line[3..] : line) && Follows())
            {
                onRow(_row);
            }
            else
            {
                _firstLeftOut = _leftOut++ == 0 ? _lines : _firstLeftOut;
            }

            _inLongLine = false;
            last = text[(used - end - 1)..used];
        }

        if (!last.IsEmpty)
        {
            _lastLine = last.ToArray();
        }

        return used;
    }

    /// <summary>A step that lies behind what was there is another log's.</summary>
    private bool Follows()
    {
        ref double last = ref _row.IsTraining ? ref _trainingStep : ref _validationStep;
        if (_row.Step < last)
        {
            return false;
        }

        last = _row.Step;
        return true;
    }
}
