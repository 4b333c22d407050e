using DynConv.Tests;

namespace DynConv.Packages.Tests;

/// <summary>All packages, made once for all tests of what was built, with a version that no cache can hold yet.</summary>
public sealed class PackageFeed : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("dynconv-feed-");

    public PackageFeed()
    {
        BaseVersion = typeof(Tensor).Assembly.GetName().Version!.ToString(3);
        Version = $"{BaseVersion}-test.{Guid.NewGuid():N}";
        PackOutput = ChildProgram.Run(
            "dotnet", Repository.Folder, null,
            "pack", "DynConv.slnx", "--configuration", Configuration, "--no-build", "--nologo", "--output", Folder, $"-p:PackageVersion={Version}").Succeeded();
    }

    /// <summary>The packages' names.</summary>
    public static IReadOnlyList<string> Names { get; } =
        [.. Directory.GetDirectories(Path.Combine(Repository.Folder, "src")).Select(folder => Path.GetFileName(folder)!).Order(StringComparer.Ordinal)];

    /// <summary>The name of the tool's package.</summary>
    public static string ToolName => "DynConv.Cli";

    /// <summary>The tests lie in <c>bin/Release/net10.0</c>, and so does what they were built with.</summary>
    public static string Configuration { get; } = new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name;

    /// <summary>The version in the sources.</summary>
    public string BaseVersion { get; }

    /// <summary>The packages' version.</summary>
    public string Version { get; }

    /// <summary>What packing said.</summary>
    public string PackOutput { get; }

    /// <summary>Where they are.</summary>
    public string Folder => _folder.FullName;

    public string Package(string name) => Path.Combine(Folder, $"{name}.{Version}.nupkg");

    public string Symbols(string name) => Path.Combine(Folder, $"{name}.{Version}.snupkg");

    public void Dispose() => _folder.Delete(recursive: true);
}
