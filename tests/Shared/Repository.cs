namespace DynConv.Tests;

/// <summary>The checkout that the tests were built in.</summary>
public static class Repository
{
    /// <summary>Its root folder.</summary>
    public static string Folder { get; } = Find();

    private static string Find()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "DynConv.slnx")))
            {
                return folder.FullName;
            }
        }

        throw new DirectoryNotFoundException($"There is no DynConv.slnx above {AppContext.BaseDirectory}.");
    }
}
