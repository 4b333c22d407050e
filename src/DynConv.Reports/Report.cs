using System.Globalization;
using System.Text.Json;
using DynConv.Models.Layers;

namespace DynConv.Reports;

/// <summary>
/// What there is to show of some folders: training runs, and results of recall, ablations and scaling fits, in the
/// folders or in folders inside them. <see cref="Update"/> reads what has come since.
/// </summary>
public sealed class Report
{
    private readonly IReadOnlyList<string> _folders;
    private readonly MixerKinds? _mixers;
    private readonly Dictionary<string, RunReport> _known = [];
    private readonly string _session = Guid.NewGuid().ToString("N");
    private readonly List<string> _problems = [];
    private List<RunReport> _runs = [];
    private List<ResultFile> _results = [];
    private string _stamp = "";

    /// <param name="folders">What to show.</param>
    /// <param name="mixers">The kinds of mixers that models may have; the library's if not given.</param>
    /// <exception cref="DynConvException">One of them is no folder.</exception>
    public Report(IReadOnlyList<string> folders, MixerKinds? mixers = null)
    {
        _folders = folders;
        _mixers = mixers;
        foreach (string folder in folders)
        {
            if (!Directory.Exists(folder))
            {
                throw new DynConvException(File.Exists(folder) ? $"{folder} is a file; give the folder that it is in." : $"There is no folder {folder}.");
            }
        }
    }

    /// <summary>What could not be read, a sentence each.</summary>
    public IReadOnlyList<string> Problems => [.. _problems, .. _results.Select(result => result.Problem).OfType<string>()];

    /// <summary>Number of runs.</summary>
    public int Runs => _runs.Count;

    /// <summary>Number of files of results.</summary>
    public int Results => _results.Count;

    /// <summary>
    /// Reads everything, or what has changed. What cannot be read is left out and becomes a problem; the rest is shown.
    /// </summary>
    public void Update()
    {
        _problems.Clear();
        List<ReportFolder> found = FolderSearch.Find(_folders, _problems);
        _runs = [.. found.Where(folder => folder.IsRun).Select(Known)];
        _runs.ForEach(run => run.Update(_problems));
        ReadResults(found);
    }

    /// <summary>The same, and each folder has to have something to show.</summary>
    /// <exception cref="DynConvException">A folder has nothing to show.</exception>
    public void ReadAll()
    {
        Update();
        foreach (string folder in _folders)
        {
            if (FolderSearch.Find([folder], []).Count == 0)
            {
                throw new DynConvException(
                    $"{folder} has nothing to show: neither it nor a folder in it holds metrics.jsonl or {string.Join(" or ", ResultFile.Kinds.Select(kind => $"{kind}.json"))}.");
            }
        }
    }

    /// <summary>Writes all of it as JSON, the one form in which the page gets its figures.</summary>
    internal void Write(Utf8JsonWriter json) => Write(json, ReportPosition.Start);

    /// <summary>Writes as JSON what a page lacks.</summary>
    internal void Write(Utf8JsonWriter json, ReportPosition have)
    {
        bool knows = have.Session == _session;
        json.WriteStartObject();
        json.WriteString("session", _session);
        json.WriteString("stamp", _stamp);
        json.WriteString("generated", DateTime.UtcNow.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture));
        json.WriteStartArray("problems");
        _problems.ForEach(json.WriteStringValue);
        json.WriteEndArray();
        json.WriteStartArray("runs");
        foreach (RunReport run in _runs)
        {
            run.Write(json, knows ? have.Runs.GetValueOrDefault(run.Id) : default);
        }

        json.WriteEndArray();
        if (!knows || have.Stamp != _stamp)
        {
            WriteResults(json);
        }

        json.WriteEndObject();
    }

    private void WriteResults(Utf8JsonWriter json)
    {
        json.WriteStartArray("results");
        foreach (ResultFile result in _results)
        {
            json.WriteStartObject();
            json.WriteString("kind", result.Kind);
            json.WriteString("name", result.Name);
            if (result.Content is { } content)
            {
                json.WritePropertyName("content");
                content.WriteTo(json);
            }
            else
            {
                json.WriteString("problem", result.Problem);
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private RunReport Known(ReportFolder folder)
    {
        if (!_known.TryGetValue(folder.Path, out RunReport? run))
        {
            run = new RunReport(_known.Count, folder, _mixers);
            _known.Add(folder.Path, run);
        }

        return run;
    }

    private void ReadResults(List<ReportFolder> found)
    {
        var files = found.SelectMany(folder => folder.Results.Select(path => (Path: path, folder.Name))).ToList();
        string stamp = string.Join(' ', files.Select(file => $"{file.Name} {Path.GetFileName(file.Path)} {File.GetLastWriteTimeUtc(file.Path).Ticks}"));
        stamp = Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(stamp)))[..16];
        if (stamp == _stamp && _results.Count == files.Count)
        {
            return;
        }

        _stamp = stamp;
        _results = [.. files.Select(file => ResultFile.Read(file.Path, file.Name))];
    }
}
