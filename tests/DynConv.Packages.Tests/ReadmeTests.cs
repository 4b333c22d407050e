using System.Text.RegularExpressions;
using DynConv.Tests;

namespace DynConv.Packages.Tests;

/// <summary>A package's page shows its README, where a link that is not whole leads nowhere.</summary>
public sealed partial class ReadmeTests(PackageFeed feed)
{
    private const string Page = "https://github.com/dynconv/dynconv/blob/main/";
    private const string PackagePage = "https://www.nuget.org/packages/";

    public static TheoryData<string> Packages => [.. PackageFeed.Names];

    [Theory]
    [MemberData(nameof(Packages))]
    public void Links_are_whole_and_lead_to_what_is_there(string name)
    {
        using var package = new PackageFile(feed.Package(name));
        string[] links = [.. Link().Matches(package.Text(package.Value("readme"))).Select(match => match.Groups["to"].Value)];
        Assert.NotEmpty(links);
        foreach (string link in links)
        {
            Assert.StartsWith("https://", link, StringComparison.Ordinal);
            if (link.StartsWith(Page, StringComparison.Ordinal))
            {
                string[] parts = link[Page.Length..].Split('#');
                string path = Path.Combine(Repository.Folder, parts[0]);
                Assert.True(File.Exists(path), $"{link} leads nowhere.");
                if (parts.Length > 1)
                {
                    Assert.Contains(Heading().Matches(File.ReadAllText(path)), heading => Anchor(heading.Groups["text"].Value) == parts[1]);
                }
            }
            else if (link.StartsWith(PackagePage, StringComparison.Ordinal))
            {
                Assert.Contains(link[PackagePage.Length..], PackageFeed.Names);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Packages))]
    public void Says_how_to_get_the_package(string name)
    {
        using var package = new PackageFile(feed.Package(name));
        string readme = package.Text(package.Value("readme"));
        string command = name == PackageFeed.ToolName ? $"dotnet tool install --global {name}" : $"dotnet add package {name}";
        Assert.Contains($"\n{command}\n", readme, StringComparison.Ordinal);
    }

    private static string Anchor(string heading) => NoLetter().Replace(heading.ToLowerInvariant(), "").Replace(' ', '-');

    [GeneratedRegex(@"\]\((?<to>[^)\s]+)\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"^#+ (?<text>.+)$", RegexOptions.Multiline)]
    private static partial Regex Heading();

    [GeneratedRegex(@"[^\p{L}\p{N} _-]")]
    private static partial Regex NoLetter();
}
