using System.Text.Json;
using DynConv.Models;
using DynConv.Models.Layers;
using DynConv.Training;
using DynConv.Training.Runs;

namespace DynConv.Reports;

/// <summary>One training run on the page, read again as it grows.</summary>
internal sealed class RunReport(int id, ReportFolder folder, MixerKinds? mixers)
{
    private const double LeastSilence = 60;
    private const double StepsOfSilence = 10;

    private readonly RunColumns _metrics = new(folder.Metrics);
    private RunSettings _settings = RunSettings.None;
    private (long, DateTime) _settingsStamp;
    private (long, DateTime) _tokenizerStamp;
    private string? _tokenizer;
    private long? _parameters;

    public int Id => id;

    public string Path => folder.Path;

    /// <summary>Reads what is new. What cannot be read is a problem, and the rest of the run is shown.</summary>
    /// <param name="problems">Gets a sentence for each thing that cannot be read.</param>
    public void Update(List<string> problems)
    {
        Try(ReadSettings, System.IO.Path.Combine(Path, RunFile.Name), problems);
        Try(ReadTokenizer, System.IO.Path.Combine(Path, ModelFolder.TokenizerFileName), problems);
        Try(() => _parameters ??= RunSettings.Parameters(Path, mixers), System.IO.Path.Combine(Path, ModelFolder.ConfigurationFileName), problems);
        Try(ReadMetrics, folder.Metrics, problems);
        if (_metrics.LeftOut is { } leftOut)
        {
            problems.Add(leftOut);
        }
    }

    private bool IsFinished =>
        File.Exists(System.IO.Path.Combine(Path, ModelFolder.ConfigurationFileName)) && File.Exists(System.IO.Path.Combine(Path, "model.safetensors"));

    /// <summary>
    /// Whether somebody is at work in the folder: a process has its lock, or the log has grown as lately as its steps
    /// follow one another.
    /// </summary>
    private bool IsRunning =>
        !IsFinished
        && (FolderLock.IsTaken(Path, RunFolder.LockName) || HasJustGrown);

    private bool HasJustGrown =>
        _metrics.Training.Count > 0
        && (DateTime.UtcNow - File.GetLastWriteTimeUtc(folder.Metrics)).TotalSeconds < Math.Max(LeastSilence, StepsOfSilence * _metrics.SecondsOfLastStep);

    private static void Try(Action read, string path, List<string> problems)
    {
        try
        {
            read();
        }
        catch (DynConvException exception)
        {
            problems.Add(exception.Message);
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            // Whatever a file has that nobody has thought of, the page goes on without it.
            problems.Add($"{path} cannot be shown ({exception.GetType().Name}).");
        }
    }

    private void ReadSettings()
    {
        // A grid's page has hundreds of them, and asks every other second.
        (long, DateTime) stamp = Stamp(RunFile.Name);
        if (stamp != _settingsStamp || stamp == default)
        {
            _settings = RunSettings.None;
            _settings = RunSettings.Read(Path);
            _settingsStamp = stamp;
        }
    }

    private void ReadTokenizer()
    {
        (long, DateTime) stamp = Stamp(ModelFolder.TokenizerFileName);
        if (stamp != _tokenizerStamp)
        {
            _tokenizer = null;
            _tokenizer = FileKind.Obstacle(System.IO.Path.Combine(Path, ModelFolder.TokenizerFileName)) is { } obstacle
                ? throw new DynConvException(obstacle)
                : RunTokenizer.Identity(Path);
            _tokenizerStamp = stamp;
        }
    }

    private (long, DateTime) Stamp(string name)
    {
        var file = new FileInfo(System.IO.Path.Combine(Path, name));
        return file.Exists ? (file.Length, file.LastWriteTimeUtc) : default;
    }

    private void ReadMetrics()
    {
        if (FileKind.Obstacle(folder.Metrics) is { } obstacle)
        {
            throw new DynConvException(obstacle);
        }

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
        json.WriteBoolean("finished", IsFinished);
        json.WriteBoolean("running", IsRunning);
        Write(json, "steps", _settings.Steps);
        Write(json, "parameters", _parameters);
        if (_tokenizer is not null)
        {
            json.WriteString("tokenizer", _tokenizer);
        }

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
