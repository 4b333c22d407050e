namespace DynConv.Packages.Tests;

/// <summary>A project of somebody's who has never seen this repository: outside of it, with an empty package cache.</summary>
internal sealed class FreshProject : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("dynconv-fresh-");

    /// <summary>Makes the project.</summary>
    /// <param name="feed">The packages.</param>
    /// <param name="references">Those that it uses.</param>
    /// <param name="otherSources">Whether packages may also come from where this machine gets them.</param>
    /// <param name="properties">What its project file sets, as XML.</param>
    public FreshProject(PackageFeed feed, IEnumerable<string> references, bool otherSources = false, string properties = "")
    {
        Write("nuget.config", $"""
            <configuration>
              <packageSources>
                {(otherSources ? "" : "<clear />")}
                <add key="feed" value="{feed.Folder}" />
              </packageSources>
            </configuration>
            """);
        Write("fresh.csproj", $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup>
                <TargetFramework>net10.0</TargetFramework>
                <OutputType>Exe</OutputType>
                <ImplicitUsings>enable</ImplicitUsings>
                <Nullable>enable</Nullable>
                <TreatWarningsAsErrors>true</TreatWarningsAsErrors>
                <NuGetAudit>false</NuGetAudit>
                {properties}
              </PropertyGroup>
              <ItemGroup>
                {string.Join('\n', references.Select(name => $"<PackageReference Include=\"{name}\" Version=\"{feed.Version}\" />"))}
              </ItemGroup>
            </Project>
            """);
    }

    public string Folder => _folder.FullName;

    public string At(string path) => Path.Combine(Folder, path);

    public void Write(string name, string content) => File.WriteAllText(At(name), content);

    /// <summary>Runs a command of the SDK in the folder.</summary>
    public ProgramRun Dotnet(params string[] arguments) => ChildProgram.Run("dotnet", Folder, At("packages"), arguments);

    /// <summary>Runs a program that the folder holds, in it.</summary>
    public ProgramRun Run(string program, params string[] arguments) =>
        ChildProgram.Run(At(OperatingSystem.IsWindows() ? $"{program}.exe" : program), Folder, At("packages"), arguments);

    public void Dispose() => _folder.Delete(recursive: true);
}
