using System.Globalization;
using DynConv.Models;
using DynConv.Optimizers;
using DynConv.Serialization;

namespace DynConv.Training.Runs;

/// <summary>
/// A run's <c>checkpoints</c>: one folder each, complete or absent; the latest few are kept and, if asked for, the one
/// with the lowest validation loss.
/// </summary>
internal sealed class CheckpointStore(string runFolder)
{
    public const string BestName = "best";

    private const string FolderName = "checkpoints";
    private const string Prefix = "step-";
    private const string Temporary = ".tmp";

    private readonly string _folder = Path.Combine(runFolder, FolderName);
    private double? _bestLoss;

    /// <summary>Folder of the checkpoint that was written or found last; null if there is none.</summary>
    public string? Latest { get; private set; }

    private string Best => Path.Combine(_folder, BestName);

    /// <summary>
    /// The newest checkpoint of a run, whoever trains it, by its name alone: what is in it has not been looked at.
    /// </summary>
    /// <returns>Its folder and step; null if there is none.</returns>
    public static (string Path, long Step)? Newest(string runFolder)
    {
        List<(string Path, long Step)> named = Named(Path.Combine(runFolder, FolderName));
        return named.Count == 0 ? null : named[^1];
    }

    /// <summary>
    /// Finds the newest checkpoint that is as it was written. Newer ones that are not are set aside under another name,
    /// and that is said: passing over them in silence would hide that the disk loses data.
    /// </summary>
    /// <param name="note">Takes the sentence.</param>
    /// <returns>Null if the run has written none yet.</returns>
    /// <exception cref="DynConvException">There are checkpoints, and none can be used.</exception>
    public Checkpoint? Find(Action<string> note)
    {
        CleanUp();
        var damaged = new List<(string Path, string Reason)>();
        foreach ((string path, long step) in Candidates())
        {
            try
            {
                Checkpoint found = Checkpoint.Open(path);
                if (found.State.Step != step)
                {
                    throw new DynConvException($"it is one of step {found.State.Step}.");
                }

                SetAside(damaged, found, note);
                Latest = found.Path;
                return found;
            }
            catch (DynConvException exception)
            {
                damaged.Add((path, exception.Message));
            }
        }

        return damaged.Count == 0 ? null : throw new DynConvException(
            $"{damaged[0].Path} cannot be used: {damaged[0].Reason} There is no other checkpoint to go on from; without {_folder} the run begins anew.");
    }

    /// <summary>Writes a checkpoint and, once it is on the disk, removes those that are no longer needed.</summary>
    public void Save(
        LanguageModel model, ModelTokenizer tokens, Optimizer optimizer, RunState state, TrainingConfiguration configuration)
    {
        string path = Path.Combine(_folder, string.Create(CultureInfo.InvariantCulture, $"{Prefix}{state.Step:D9}"));
        Checkpoint.Write(path, model, tokens, optimizer, state, configuration);
        Latest = path;
        foreach ((string old, _) in Named(_folder).Where(one => one.Step < state.Step).SkipLast(configuration.KeepCheckpoints - 1))
        {
            try
            {
                AtomicFolder.Delete(old);
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                // Somebody may have it open, which some systems mind; it goes with the next one.
            }
        }
    }

    /// <summary>Writes the checkpoint with the lowest validation loss anew if this one's is lower.</summary>
    public void SaveIfBest(
        LanguageModel model, ModelTokenizer tokens, Optimizer optimizer, RunState state, TrainingConfiguration configuration)
    {
        _bestLoss ??= BestLoss(configuration.ValidationTokens);
        if (state.ValidationLoss < _bestLoss)
        {
            Checkpoint.Write(Best, model, tokens, optimizer, state, configuration);
            _bestLoss = state.ValidationLoss;
        }
    }

    /// <summary>What names say, in the order of steps.</summary>
    private static List<(string Path, long Step)> Named(string folder) => !Directory.Exists(folder)
        ? []
        : [.. Directory.GetDirectories(folder, Prefix + "*")
            .Select(path => (Path: path, IsStep: long.TryParse(Path.GetFileName(path)[Prefix.Length..], NumberStyles.None, CultureInfo.InvariantCulture, out long step), Step: step))
            .Where(one => one.IsStep)
            .Select(one => (one.Path, one.Step))
            .OrderBy(one => one.Step)];

    /// <summary>What the run may go on from, the newest first.</summary>
    private IEnumerable<(string Path, long Step)> Candidates()
    {
        List<(string Path, long Step)> all = Named(_folder);
        if (Directory.Exists(Best))
        {
            try
            {
                all.Insert(0, (Best, RunState.Read(Best).Step));
            }
            catch (DynConvException)
            {
                // The next one that is the best takes its place.
            }
        }

        return all.OrderBy(one => one.Step).Reverse();
    }

    /// <summary>What is to be beaten: a loss on another part of the text cannot be compared, and the next best takes its place.</summary>
    private double BestLoss(long validationTokens)
    {
        try
        {
            return Directory.Exists(Best) && Checkpoint.Open(Best) is var best && best.Configuration.ValidationTokens == validationTokens
                ? best.State.ValidationLoss ?? double.PositiveInfinity
                : double.PositiveInfinity;
        }
        catch (DynConvException)
        {
            return double.PositiveInfinity;
        }
    }

    private static void SetAside(List<(string Path, string Reason)> damaged, Checkpoint found, Action<string> note)
    {
        foreach ((string path, string reason) in damaged)
        {
            string aside = path + ".damaged";
            for (int number = 2; Path.Exists(aside); number++)
            {
                aside = string.Create(CultureInfo.InvariantCulture, $"{path}.damaged-{number}");
            }

            Disk.RenameFolder(path, aside);
            note($"{path} cannot be used: {reason} The run goes on from {found.Path}; what is damaged is now {Path.GetFileName(aside)}, for you to look at or delete.");
        }
    }

    /// <summary>Removes what a process that died has left under temporary names; nobody else writes here now.</summary>
    private void CleanUp()
    {
        if (!Directory.Exists(_folder))
        {
            return;
        }

        foreach (string path in Directory.GetDirectories(_folder, "*" + Temporary))
        {
            string name = Path.GetFileName(path);
            string whole = name[..name.IndexOf('.', StringComparison.Ordinal)];
            if (whole == BestName || whole.StartsWith(Prefix, StringComparison.Ordinal))
            {
                AtomicFolder.CleanUp(Path.Combine(_folder, whole));
            }
        }
    }
}
