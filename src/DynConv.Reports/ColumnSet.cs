using System.Text.Json;

namespace DynConv.Reports;

/// <summary>Columns of equal length: the rows of one kind of line in a log.</summary>
internal sealed class ColumnSet(params Column[] columns)
{
    public int Count => columns[0].Count;

    public double this[string name, int row] => columns.First(column => column.Name == name)[row];

    /// <summary>Adds a row; a measure that is missing is not a number.</summary>
    public void Add(Func<string, double> value)
    {
        foreach (Column column in columns)
        {
            column.Add(value(column.Name));
        }
    }

    public void Clear()
    {
        foreach (Column column in columns)
        {
            column.Clear();
        }
    }

    public void Write(Utf8JsonWriter json, string name, int from)
    {
        json.WriteStartObject(name);
        foreach (Column column in columns)
        {
            column.Write(json, from);
        }

        json.WriteEndObject();
    }
}
