using System.Text.Json;

namespace DynConv.Reports;

/// <summary>
/// Reads a run's <c>metrics.jsonl</c> and, when asked again, what has been added. A log that was cut back or begun anew,
/// as a resumed run's is, is read again from its start.
/// </summary>
internal sealed class MetricsReader(string path)
{
    private const byte EndOfLine = (byte)'\n';

    private readonly Dictionary<string, double> _line = [];
    private byte[] _lastLine = [];
    private long _position;
    private int _lines;

    /// <summary>Changes when rows that were there before are no longer valid.</summary>
    public int Epoch { get; private set; } = 1;

    /// <summary>A row a step.</summary>
    public ColumnSet Training { get; } = new(
        new("step", isCount: true),
        new("loss", isCount: false),
        new("learning_rate", isCount: false),
        new("gradient_norm", isCount: false),
        new("tokens", isCount: true),
        new("tokens_per_second", isCount: false),
        new("seconds", isCount: false));

    /// <summary>A row a validation; tokens and seconds are those of the step before it.</summary>
    public ColumnSet Validation { get; } = new(
        new("step", isCount: true),
        new("loss", isCount: false),
        new("perplexity", isCount: false),
        new("bits_per_byte", isCount: false),
        new("tokens", isCount: true),
        new("seconds", isCount: false));

    /// <summary>Reads what is new. A last line that is only half written is left for the next time.</summary>
    /// <exception cref="DynConvException">A line is damaged, or the file cannot be read.</exception>
    public void Update()
    {
        try
        {
            if (!File.Exists(path))
            {
                Restart();
                return;
            }

            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            if (!Continues(file))
            {
                Restart();
            }

            file.Position = _position;
            var bytes = new byte[file.Length - _position];
            Parse(bytes.AsSpan(0, file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false)));
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
        file.ReadExactly(there);
        return there.AsSpan().SequenceEqual(_lastLine);
    }

    private void Restart()
    {
        if (_position > 0)
        {
            Epoch++;
        }

        (_position, _lines, _lastLine) = (0, 0, []);
        Training.Clear();
        Validation.Clear();
    }

    private void Parse(ReadOnlySpan<byte> text)
    {
        ReadOnlySpan<byte> last = default;
        for (int end = text.IndexOf(EndOfLine); end >= 0; end = text.IndexOf(EndOfLine))
        {
            last = text[..(end + 1)];
            ParseLine(text[..end]);
            text = text[(end + 1)..];
            _position += last.Length;
            _lines++;
        }

        if (last.Length > 0)
        {
            _lastLine = last.ToArray();
        }
    }

    private void ParseLine(ReadOnlySpan<byte> line)
    {
        try
        {
            ReadValues(line);
        }
        catch (Exception exception) when (exception is JsonException or FormatException or InvalidOperationException)
        {
            throw Damaged(exception);
        }

        if (!_line.ContainsKey("step"))
        {
            throw Damaged(null);
        }

        if (_line.ContainsKey("loss"))
        {
            Training.Add(name => _line.GetValueOrDefault(name, double.NaN));
        }
        else if (_line.ContainsKey("valid_loss"))
        {
            Validation.Add(OfValidation);
        }
    }

    private double OfValidation(string name) => name switch
    {
        "step" => _line["step"],
        "tokens" or "seconds" => Training.Count > 0 ? Training[name, Training.Count - 1] : double.NaN,
        _ => _line.GetValueOrDefault($"valid_{name}", double.NaN),
    };

    private void ReadValues(ReadOnlySpan<byte> line)
    {
        _line.Clear();
        var reader = new Utf8JsonReader(line);
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            throw new JsonException();
        }

        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string name = reader.GetString()!;
            reader.Read();
            if (reader.TokenType == JsonTokenType.Number)
            {
                _line[name] = reader.GetDouble();
            }
            else
            {
                reader.Skip();
            }
        }
    }

    private DynConvException Damaged(Exception? cause) => new($"{path}, line {_lines + 1} is not a line of metrics.", cause!);
}
