using DynConv.Training;
using DynConv.Training.Runs;

namespace DynConv.Reports;

/// <summary>A folder that has something to show.</summary>
/// <param name="Path">Where it is.</param>
/// <param name="Name">What it is called on the page.</param>
internal sealed record ReportFolder(string Path, string Name)
{
    /// <summary>Whether it is a training run's.</summary>
    public bool IsRun => FileKind.IsThere(System.IO.Path.Combine(Path, RunFile.Name)) || FileKind.IsThere(Metrics);

    /// <summary>A run's log.</summary>
    public string Metrics => System.IO.Path.Combine(Path, RunCurves.FileName);

    /// <summary>The result files that it holds.</summary>
    public IEnumerable<string> Results =>
        ResultFile.Kinds.Select(kind => System.IO.Path.Combine(Path, $"{kind}.json")).Where(FileKind.IsThere);
}

/// <summary>Finds runs and results in folders and the folders in them.</summary>
internal static class FolderSearch
{
    private const int Depth = 4;

    /// <summary>All folders with something to show, in order of their names; a name is no longer than it must be.</summary>
    /// <param name="roots">Where to begin; they may be links.</param>
    /// <param name="problems">Gets a sentence for each folder that cannot be looked into.</param>
    public static List<ReportFolder> Find(IReadOnlyList<string> roots, List<string> problems)
    {
        var found = new List<ReportFolder>();
        foreach (string root in roots)
        {
            string path = Path.TrimEndingDirectorySeparator(Path.GetFullPath(root));
            string leaf = Path.GetFileName(path) is { Length: > 0 } name ? name : path;
            foreach (string folder in Walk(path, Depth, problems))
            {
                string below = Path.GetRelativePath(path, folder).Replace('\\', '/');
                string shown = below == "." ? leaf : roots.Count == 1 ? below : $"{leaf}/{below}";
                var candidate = new ReportFolder(folder, shown);
                if ((candidate.IsRun || candidate.Results.Any()) && found.TrueForAll(other => other.Path != folder))
                {
                    found.Add(candidate);
                }
            }
        }

        return [.. found.Select(folder => found.Any(other => other != folder && other.Name == folder.Name) ? folder with { Name = folder.Path } : folder)];
    }

    private static IEnumerable<string> Walk(string path, int depth, List<string> problems)
    {
        yield return path;
        foreach (string inner in depth > 0 ? Inner(path, problems) : [])
        {
            foreach (string folder in Walk(inner, depth - 1, problems))
            {
                yield return folder;
            }
        }
    }

    private static string[] Inner(string path, List<string> problems)
    {
        try
        {
            return [.. Directory.EnumerateDirectories(path).Where(IsWorthALook).Order(StringComparer.Ordinal)];
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            if (Directory.Exists(path))
            {
                problems.Add($"{path} cannot be looked into: {exception.Message}");
            }

            return [];
        }
    }

    private static bool IsWorthALook(string path) =>
        Path.GetFileName(path) is not ("checkpoints" or "data") and not ['.', ..] && new DirectoryInfo(path).LinkTarget is null;
}
