namespace DynConv.Cli.Tests;

/// <summary>A folder that is gone when the test ends.</summary>
public sealed class TemporaryFolder : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("dynconv-cli-");

    public string Root => _folder.FullName;

    public string At(params string[] names) => Path.Combine([Root, .. names]);

    public string Write(string name, string content)
    {
        File.WriteAllText(At(name), content);
        return At(name);
    }

    public string Write(string name, byte[] content)
    {
        File.WriteAllBytes(At(name), content);
        return At(name);
    }

    public string Folder(string name) => Directory.CreateDirectory(At(name)).FullName;

    public void Dispose() => _folder.Delete(recursive: true);
}
