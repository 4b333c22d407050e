using System.Text.Json;
using DynConv.Models;

namespace DynConv.Reports;

/// <summary>One training run on the page, read again as it grows.</summary>
internal sealed class RunReport(int id, ReportFolder folder)
{
    private readonly MetricsReader _metrics = new(folder.Metrics);
    private RunSettings _settings = RunSettings.None;
    private long? _parameters;

    public int Id => id;

    public string Path => folder.Path;

    /// <exception cref="DynConvException">One of its files is damaged.</exception>
    public void Update()
    {
        _settings = RunSettings.Read(folder.Path);
        _parameters ??= RunSettings.Parameters(folder.Path);
        _metrics.Update();
    }

    /// <summary>Writes the run, without the rows that a reader has already.</summary>
    public void Write(Utf8JsonWriter json, RunPosition have)
    {
        bool knows = have.Epoch == _metrics.Epoch && have.Training <= _metrics.Training.Count && have.Validation <= _metrics.Validation.Count;
        json.WriteStartObject();
        json.WriteNumber("id", Id);
        json.WriteNumber("epoch", _metrics.Epoch);
        json.WriteString("name", folder.Name);
        json.WriteBoolean("finished", File.Exists(System.IO.Path.Combine(folder.Path, ModelFolder.ConfigurationFileName)));
        Write(json, "steps", _settings.Steps);
        Write(json, "parameters", _parameters);
        json.WriteStartObject("settings");
        foreach ((string name, string value) in _settings.Values)
        {
            json.WriteString(name, value);
        }

        json.WriteEndObject();
        _metrics.Training.Write(json, "training", knows ? have.Training : 0);
        _metrics.Validation.Write(json, "validation", knows ? have.Validation : 0);
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, string name, long? value)
    {
        if (value is { } number)
        {
            json.WriteNumber(name, number);
        }
    }
}
