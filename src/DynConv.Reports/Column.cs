using System.Globalization;
using System.Text.Json;

namespace DynConv.Reports;

/// <summary>Values of one measure, in the order of the log's lines.</summary>
/// <param name="name">The log's and the page's name of it.</param>
/// <param name="isCount">Whether the values are whole numbers, which keep all their digits.</param>
internal sealed class Column(string name, bool isCount)
{
    private readonly List<double> _values = [];

    public string Name { get; } = name;

    public int Count => _values.Count;

    public double this[int index] => _values[index];

    public void Add(double value) => _values.Add(value);

    public void Clear() => _values.Clear();

    /// <summary>Writes the values from an index on; what is not finite is null, for JSON has no word for it.</summary>
    public void Write(Utf8JsonWriter json, int from)
    {
        json.WriteStartArray(Name);
        for (int i = from; i < _values.Count; i++)
        {
            if (!double.IsFinite(_values[i]))
            {
                json.WriteNullValue();
            }
            else
            {
                json.WriteRawValue(_values[i].ToString(isCount ? "F0" : "G6", CultureInfo.InvariantCulture), skipInputValidation: true);
            }
        }

        json.WriteEndArray();
    }
}
