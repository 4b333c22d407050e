namespace DynConv.Models.Tests.Tokenizers;

/// <summary>Texts and vocabularies that lie beside the repository and not in it.</summary>
internal static class SharedData
{
    /// <summary>The path of a file or folder; a test that asks for one that is not there is skipped.</summary>
    public static string Path(params string[] names)
    {
        string path = System.IO.Path.Combine([RepositoryRoot(), "..", "shared", "data", .. names]);
        if (!System.IO.Path.Exists(path))
        {
            Assert.Skip($"There is no {System.IO.Path.GetFullPath(path)}.");
        }

        return path;
    }

    public static string RepositoryRoot()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(System.IO.Path.Combine(folder, "DynConv.slnx")))
        {
            folder = System.IO.Path.GetDirectoryName(folder);
        }

        return folder ?? throw new InvalidOperationException("The tests do not run inside the repository.");
    }
}
