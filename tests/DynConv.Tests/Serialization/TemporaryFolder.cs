namespace DynConv.Tests.Serialization;

/// <summary>A folder of its own for a test, gone at its end.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string FullName { get; } = Directory.CreateTempSubdirectory("dynconv-test-").FullName;

    public string this[string name] => Path.Combine(FullName, name);

    public string[] Names => [.. Directory.EnumerateFileSystemEntries(FullName).Select(p => Path.GetFileName(p)!).Order(StringComparer.Ordinal)];

    public void Dispose() => Directory.Delete(FullName, recursive: true);
}
