using System.Text.Json;
using System.Text.RegularExpressions;

namespace DynConv.Training.Runs;

/// <summary>A line of <c>metrics.jsonl</c>: numbers by their names.</summary>
internal sealed partial class MetricsRow
{
    private readonly Dictionary<string, double> _values = [];

    /// <summary>What a name has; NaN where there is nothing, or null.</summary>
    public double this[string name] => _values.GetValueOrDefault(name, double.NaN);

    public double Step => this["step"];

    /// <summary>Whether it is a step's, and not a validation's.</summary>
    public bool IsTraining => _values.ContainsKey("loss");

    /// <summary>Reads a line; false if it is none of a log.</summary>
    public bool TryRead(ReadOnlySpan<byte> line)
    {
        if (!TryParse(line) && !(System.Text.Encoding.UTF8.GetString(line) is var text && NonFinite().IsMatch(text)
            && TryParse(System.Text.Encoding.UTF8.GetBytes(NonFinite().Replace(text, ":null")))))
        {
            return false;
        }

        return Step is >= 0 and < 1L << 53 && Math.Floor(Step) == Step && (IsTraining || _values.ContainsKey("valid_loss"));
    }

    // As Python writes what JSON has no word for.
    [GeneratedRegex(@":\s*(NaN|[+-]?Infinity)(?=\s*[,}])")]
    private static partial Regex NonFinite();

    private bool TryParse(ReadOnlySpan<byte> line)
    {
        _values.Clear();
        try
        {
            var reader = new Utf8JsonReader(line);
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            {
                return false;
            }

            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                string name = reader.GetString()!;
                reader.Read();
                switch (reader.TokenType)
                {
                    case JsonTokenType.Number:
                        _values[name] = reader.GetDouble();
                        break;
                    case JsonTokenType.Null:
                        _values[name] = double.NaN;
                        break;
                    default:
                        reader.Skip();
                        break;
                }
            }

            return reader.TokenType == JsonTokenType.EndObject && !reader.Read();
        }
        catch (Exception exception) when (exception is JsonException or FormatException or InvalidOperationException)
        {
            return false;
        }
    }
}
