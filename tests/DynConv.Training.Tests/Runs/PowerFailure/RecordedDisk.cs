using DynConv.Serialization;

namespace DynConv.Training.Tests.Runs.PowerFailure;

/// <summary>Records what a piece of work does to the files under a folder.</summary>
internal sealed class RecordedDisk : IDisposable
{
    private readonly string _root;
    private readonly List<DiskOperation> _operations = [];

    public RecordedDisk(string root)
    {
        _root = root;
        Disk.Observer = Record;
    }

    public IReadOnlyList<DiskOperation> Operations => _operations;

    public void Dispose() => Disk.Observer = null;

    private void Record(DiskOperation operation)
    {
        if (Relative(operation.Path).StartsWith("..", StringComparison.Ordinal))
        {
            // Temporary files elsewhere, which nobody looks for after a failure.
            return;
        }

        lock (_operations)
        {
            _operations.Add(operation switch
            {
                DiskOperation.Rename rename => rename with { Path = Relative(rename.Path), To = Relative(rename.To) },
                _ => operation with { Path = Relative(operation.Path) },
            });
        }
    }

    private string Relative(string path) => Path.GetRelativePath(_root, Path.GetFullPath(path));
}
