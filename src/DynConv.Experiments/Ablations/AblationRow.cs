using System.Text.Json.Nodes;
using DynConv.Training;

namespace DynConv.Experiments.Ablations;

/// <summary>One line of an ablation's table: a configuration that is run with every seed.</summary>
/// <param name="Name">As the table shows it.</param>
/// <param name="Settings">What tells it from the other rows: setting and value.</param>
/// <param name="Configuration">What to train, all but the seed.</param>
public sealed record AblationRow(string Name, JsonObject Settings, TrainingConfiguration Configuration)
{
    /// <summary>The name of the folder of one of its runs.</summary>
    /// <param name="seed">The run's seed.</param>
    public string FolderName(ulong seed)
    {
        // q,k and R=16 have to survive any file system and shell.
        string[] words = new string([.. Name.Select(static c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' ? char.ToLowerInvariant(c) : '-')])
            .Split('-', StringSplitOptions.RemoveEmptyEntries);
        return $"{string.Join('-', words).TrimStart('.')}-seed{seed}";
    }
}
