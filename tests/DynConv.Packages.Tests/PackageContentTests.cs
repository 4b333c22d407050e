using System.Buffers.Binary;
using System.Xml.Linq;
using DynConv.Tests;

namespace DynConv.Packages.Tests;

/// <summary>What is in the packages, and what they say of themselves.</summary>
public sealed class PackageContentTests(PackageFeed feed)
{
    private const string Home = "https://github.com/dynconv/dynconv";

    public static TheoryData<string> Packages => [.. PackageFeed.Names];

    public static TheoryData<string> Libraries => [.. PackageFeed.Names.Where(name => name != PackageFeed.ToolName)];

    [Fact]
    public void There_is_a_package_and_its_symbols_for_each_project_and_no_warning()
    {
        Assert.Equal(
            PackageFeed.Names.SelectMany(name => (string[])[feed.Package(name), feed.Symbols(name)]).Order(StringComparer.Ordinal),
            Directory.GetFiles(feed.Folder).Order(StringComparer.Ordinal));
        Assert.DoesNotContain("warning", feed.PackOutput, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public void Each_describes_itself_in_its_own_words()
    {
        Dictionary<string, (string Title, string Description)> words = PackageFeed.Names.ToDictionary(name => name, name =>
        {
            using var package = new PackageFile(feed.Package(name));
            return (package.Value("title"), package.Value("description"));
        });
        Assert.All(words.Values, one => Assert.True(one.Title.Length > 10 && one.Description.Length > 80, $"{one}"));
        Assert.Equal(words.Count, words.Values.Select(one => one.Title).Distinct().Count());
        Assert.Equal(words.Count, words.Values.Select(one => one.Description).Distinct().Count());
    }

    [Theory]
    [MemberData(nameof(Packages))]
    public void Names_licence_source_and_release_notes(string name)
    {
        using var package = new PackageFile(feed.Package(name));
        Assert.Equal(("MIT", "expression"), (package.Value("license"), package.Find("license")!.Attribute("type")!.Value));
        Assert.Equal(Home, package.Value("projectUrl"));
        XElement repository = package.Find("repository")!;
        Assert.Equal(("git", Home), (repository.Attribute("type")!.Value, repository.Attribute("url")!.Value));
        Assert.Equal($"{Home}/blob/main/CHANGELOG.md", package.Value("releaseNotes"));
        Assert.True(File.Exists(Path.Combine(Repository.Folder, "CHANGELOG.md")));
        Assert.True(package.Value("tags").Split(' ').Length >= 5, package.Value("tags"));
        Assert.Equal("The DynConv authors", package.Value("authors"));
    }

    [Theory]
    [MemberData(nameof(Packages))]
    public void Has_an_icon_of_128_pixels(string name)
    {
        using var package = new PackageFile(feed.Package(name));
        byte[] icon = package.Bytes(package.Value("icon"));
        Assert.Equal("PNG"u8, icon.AsSpan(1, 3));
        Assert.Equal((128, 128), (BinaryPrimitives.ReadInt32BigEndian(icon.AsSpan(16)), BinaryPrimitives.ReadInt32BigEndian(icon.AsSpan(20))));
    }

    [Theory]
    [MemberData(nameof(Libraries))]
    public void A_library_holds_its_assembly_and_documentation_and_no_more(string name)
    {
        using var package = new PackageFile(feed.Package(name));
        Assert.Equal(
            ((string[])[$"{name}.nuspec", "README.md", "icon.png", $"lib/net10.0/{name}.dll", $"lib/net10.0/{name}.xml"]).Order(StringComparer.Ordinal),
            package.Files);
        Assert.Contains(XDocument.Parse(package.Text($"lib/net10.0/{name}.xml")).Descendants("member"), member =>
            member.Attribute("name")!.Value.StartsWith($"T:{name}.", StringComparison.Ordinal) && member.Element("summary") is not null);
    }

    [Fact]
    public void The_tool_holds_programs_and_symbols_and_no_more()
    {
        using var package = new PackageFile(feed.Package(PackageFeed.ToolName));
        string[] outside = [.. package.Files.Where(file => !file.StartsWith("tools/net10.0/any/", StringComparison.Ordinal))];
        Assert.Equal(((string[])[$"{PackageFeed.ToolName}.nuspec", "README.md", "icon.png"]).Order(StringComparer.Ordinal), outside);
        string[] inside = [.. package.Files.Except(outside).Select(file => file["tools/net10.0/any/".Length..])];
        Assert.Equal("DotnetToolSettings.xml", Assert.Single(inside, file => Path.GetExtension(file) is not (".dll" or ".pdb" or ".json")));
        Assert.All(PackageFeed.Names, name => Assert.Contains($"{name}.pdb", inside));
        XElement command = XDocument.Parse(package.Text("tools/net10.0/any/DotnetToolSettings.xml")).Descendants("Command").Single();
        Assert.Equal("dynconv", command.Attribute("Name")!.Value);
        Assert.Empty(package.Dependencies);
    }

    /// <summary>
    /// Ours see one another's internals, so that only those of one release go together; those of other people are the
    /// versions that all was tested with.
    /// </summary>
    [Theory]
    [MemberData(nameof(Libraries))]
    public void Depends_on_the_versions_that_it_was_built_with(string name)
    {
        Dictionary<string, string> pinned = XDocument.Load(Path.Combine(Repository.Folder, "Directory.Packages.props"))
            .Descendants("PackageVersion")
            .ToDictionary(element => element.Attribute("Include")!.Value, element => element.Attribute("Version")!.Value);
        using var package = new PackageFile(feed.Package(name));
        Assert.All(package.Dependencies, dependency => Assert.Equal(
            PackageFeed.Names.Contains(dependency.Name) ? $"[{feed.Version}]" : pinned[dependency.Name], dependency.Version));
        XElement project = XDocument.Load(Path.Combine(Repository.Folder, "src", name, $"{name}.csproj")).Root!;
        IEnumerable<string> references = project.Descendants()
            .Where(element => element.Name.LocalName is "PackageReference" or "ProjectReference")
            .Select(element => Path.GetFileName(element.Attribute("Include")!.Value).Replace(".csproj", "", StringComparison.Ordinal));
        Assert.Equal(references.Order(StringComparer.Ordinal), package.Dependencies.Select(dependency => dependency.Name).Order(StringComparer.Ordinal));
    }
}
