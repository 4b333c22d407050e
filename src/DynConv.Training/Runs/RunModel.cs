using DynConv.Models;
using DynConv.Models.Layers;
using DynConv.Serialization;

namespace DynConv.Training.Runs;

/// <summary>Finds the model that a folder stands for.</summary>
public static class RunModel
{
    private const int MostAttempts = 20;

    /// <summary>
    /// The folder to load: that of a finished run or of any model is it itself; of a run that is going on, or was broken
    /// off, it is the newest checkpoint.
    /// </summary>
    /// <param name="folder">A model's folder, a run's or a checkpoint.</param>
    /// <param name="mixers">The kinds of mixers that the model may have; this library's if not given.</param>
    /// <returns>The folder, and the step of the checkpoint if it is another one than was given.</returns>
    public static (string Folder, long? Step) Find(string folder, MixerKinds? mixers = null)
    {
        if (!RunRecord.IsRun(folder) || CheckpointStore.Newest(folder) is not { } newest)
        {
            return (folder, null);
        }

        bool isThere = File.Exists(Path.Combine(folder, CheckpointReader.FileName)) && File.Exists(Path.Combine(folder, ModelFolder.ConfigurationFileName));
        return isThere && IsFinished(folder, mixers) ? (folder, null) : (newest.Path, newest.Step);
    }

    /// <summary>
    /// Reads from the folder that <see cref="Find"/> finds. A run that is going on may remove that checkpoint meanwhile;
    /// its newest one is read then.
    /// </summary>
    /// <typeparam name="T">What is read.</typeparam>
    /// <param name="folder">A model's folder, a run's or a checkpoint.</param>
    /// <param name="read">Reads from a folder; the step is that of the checkpoint if it is another one than was given.</param>
    /// <param name="mixers">The kinds of mixers that the model may have; this library's if not given.</param>
    /// <exception cref="DynConvException">What is there cannot be read, or the run removes checkpoints faster than they are.</exception>
    public static T Read<T>(string folder, Func<string, long?, T> read, MixerKinds? mixers = null)
    {
        ArgumentNullException.ThrowIfNull(read);
        for (int attempt = 1; ; attempt++)
        {
            (string found, long? step) = Find(folder, mixers);
            try
            {
                return read(found, step);
            }
            catch (DynConvException) when (step is not null && !Directory.Exists(found) && attempt < MostAttempts)
            {
                // Removed since it was found: the run has newer ones.
            }
        }
    }

    /// <summary>Whether the model in the folder is not that of an earlier end, beyond which the run is going on.</summary>
    private static bool IsFinished(string folder, MixerKinds? mixers)
    {
        try
        {
            return RunRecord.Read(folder, mixers).IsFinished;
        }
        catch (DynConvException)
        {
            // Files that do not say: no checkpoint is older than the model, as the last step writes one, too.
            return false;
        }
    }
}
