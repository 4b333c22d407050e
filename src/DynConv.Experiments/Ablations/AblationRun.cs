using DynConv.Models.Tokenizers;
using DynConv.Training;
using DynConv.Training.Data;
using DynConv.Training.Runs;

namespace DynConv.Experiments.Ablations;

/// <summary>
/// A grid in a folder: each run in a folder of its own, the encoded text for all of them in <c>data</c>, the results in
/// <c>ablation.json</c>.
/// </summary>
public sealed class AblationRun
{
    private const string LockName = "ablation.lock";

    private readonly AblationGrid _grid;
    private readonly string _folder;
    private readonly AblationCell[] _cells;
    private readonly Dictionary<AblationCell, string> _failures = [];
    private readonly Dictionary<AblationCell, AblationSeed> _finished = [];

    /// <summary>Prepares a grid; nothing runs or is written yet.</summary>
    /// <param name="grid">What to run.</param>
    /// <param name="folder">Where; made when it runs.</param>
    /// <exception cref="DynConvException">
    /// The tokenizer is missing, or a run in the folder was started with other settings.
    /// </exception>
    public AblationRun(AblationGrid grid, string folder)
    {
        _grid = grid;
        _folder = folder;
        int vocabulary = TokenizerLoader.Load(grid.Rows[0].Configuration.TokenizerPath).VocabularySize;
        _cells = [.. grid.Seeds.SelectMany(seed => grid.Rows.Select(row => new AblationCell(
            row,
            seed,
            Path.Combine(folder, row.FolderName(seed)),
            row.Configuration with { Seed = seed },
            row.Configuration.ModelConfiguration(vocabulary))))];
        foreach (AblationCell cell in _cells.Where(cell => RunRecord.IsRun(cell.Folder)))
        {
            CheckUnchanged(cell, static configuration => configuration.WithoutDevice());
        }

        foreach ((string row, ulong seed, string error) in AblationTable.ReadFailures(folder))
        {
            if (Array.Find(_cells, cell => cell.Row.Name == row && cell.Seed == seed) is { } failed)
            {
                _failures[failed] = error;
            }
        }
    }

    /// <summary>The runs in the order in which they run: all rows with the first seed, then with the next.</summary>
    public IReadOnlyList<AblationCell> Cells => _cells;

    /// <summary>
    /// Runs what is not finished. A run that fails does not keep the others from running; the next time it is tried again.
    /// </summary>
    /// <param name="observer">Hears of the progress.</param>
    /// <param name="stop">Asks for an end after the step that is running; a checkpoint is written.</param>
    /// <returns>The table of what there is, also in <c>ablation.json</c>; complete unless it was stopped or a run failed.</returns>
    /// <exception cref="DynConvException">The text or the device is missing, or a run was started with other settings.</exception>
    public AblationTable Run(IAblationObserver observer, CancellationToken stop = default)
    {
        CheckText();
        foreach (AblationCell cell in _cells.Where(cell => RunRecord.IsRun(cell.Folder)))
        {
            CheckUnchanged(cell, static configuration => configuration);
        }

        Device device = Device.Parse(_cells[0].Configuration.Resolve().Device);
        Directory.CreateDirectory(_folder);
        using FolderLock alone = FolderLock.Take(_folder, LockName);
        var progress = new AblationProgress(observer, _cells);
        for (int i = 0; i < _cells.Length && !stop.IsCancellationRequested; i++)
        {
            AblationCell cell = _cells[i];
            if (ResultOf(cell).Error is not null)
            {
                observer.OnRun(cell, i + 1, _cells.Length);
                progress.Begin(cell);
                Run(cell, progress, stop);
                observer.OnRunEnd(cell, ResultOf(cell));
                Table().Write(_folder);

                // The next run's tensors have other sizes, and would find no use for the buffers of this one.
                device.Memory.Trim();
            }

            progress.End(cell);
        }

        AblationTable table = Table();
        table.Write(_folder);
        return table;
    }

    /// <summary>The table of what is finished so far.</summary>
    public AblationTable Table() => AblationTable.Of(_grid, [.. _cells.Select(cell => (cell, ResultOf(cell)))]);

    private void Run(AblationCell cell, AblationProgress progress, CancellationToken stop)
    {
        // Whatever it failed of before, it is another attempt now.
        if (_failures.Remove(cell))
        {
            Table().Write(_folder);
        }

        try
        {
            _ = RunRecord.IsRun(cell.Folder)
                ? TrainingRun.Resume(cell.Folder, _folder, progress, saved => saved with { Mixers = cell.Configuration.Mixers }, stop)
                : TrainingRun.Start(cell.Configuration, cell.Folder, _folder, progress, stop);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // Asked to stop before the first step: there is nothing to keep.
        }
        catch (Exception exception) when (exception is DynConvException or IOException or UnauthorizedAccessException)
        {
            _failures[cell] = exception.Message;
        }
    }

    private AblationSeed ResultOf(AblationCell cell)
    {
        if (_finished.TryGetValue(cell, out AblationSeed? known))
        {
            return known;
        }

        AblationSeed result = ReadResult(cell);
        if (result.Error is null)
        {
            _finished[cell] = result;
        }

        return result;
    }

    private AblationSeed ReadResult(AblationCell cell)
    {
        string name = Path.GetFileName(cell.Folder);
        if (!RunRecord.IsRun(cell.Folder))
        {
            return new AblationSeed(cell.Seed, null, null, null, null, _failures.GetValueOrDefault(cell, AblationSeed.NotRun));
        }

        RunRecord run;
        try
        {
            run = RunRecord.Read(cell.Folder, cell.Configuration.Mixers);
        }
        catch (DynConvException exception)
        {
            // One run with a damaged file does not keep the others from running, nor from being shown.
            return new AblationSeed(cell.Seed, name, null, null, null, _failures.GetValueOrDefault(cell, exception.Message));
        }

        return run.IsFinished
            ? new AblationSeed(cell.Seed, name, run.Loss, Math.Exp(run.Loss!.Value), run.TokensPerSecond, null)
            : new AblationSeed(cell.Seed, name, null, null, null, _failures.GetValueOrDefault(
                cell, AblationSeed.Unfinished(run.StepsDone, run.Configuration.Steps)));
    }

    private void CheckText()
    {
        TrainingConfiguration common = _cells[0].Configuration;
        if (common.Data.Count == 0)
        {
            throw new DynConvException("There is nothing to train on: give --data PATH, or data in the grid's base.");
        }

        string? missing = WeightedPath.ParseAll(common.Data).Select(static data => data.Path).Concat(common.Valid).FirstOrDefault(static path => !TextSource.Exists(path));
        if (missing is not null)
        {
            throw new DynConvException($"There is no file or folder {missing} to train or validate on.");
        }
    }

    private static void CheckUnchanged(AblationCell cell, Func<TrainingConfiguration, TrainingConfiguration> view)
    {
        TrainingConfiguration asked = cell.Configuration;
        TrainingConfiguration saved = RunFile.Read(Path.Combine(cell.Folder, RunFile.Name)) with { Mixers = asked.Mixers };
        if (asked.Data.Count == 0)
        {
            // Only a table is asked for, and it needs no text.
            asked = asked with { Data = saved.Data, Valid = saved.Valid };
        }

        string[] before = Lines(saved);
        string[] now = Lines(asked);
        if (!before.SequenceEqual(now))
        {
            string was = before.Except(now).FirstOrDefault() ?? "less";
            string wanted = now.Except(before).FirstOrDefault() ?? "less";
            throw new DynConvException(
                $"{cell.Folder} was started with '{was.Trim()}' where the grid now says '{wanted.Trim()}'; use another --out, or delete that folder to run it anew.");
        }

        string[] Lines(TrainingConfiguration configuration) => RunFile.ToYaml(RunPaths.Absolute(view(configuration).Resolve())).Split('\n');
    }
}
