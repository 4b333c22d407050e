using System.Globalization;
using System.Text.RegularExpressions;
using DynConv.Tests;

namespace DynConv.Packages.Tests;

/// <summary>The program of docs/library.md, in a fresh project that has the package.</summary>
public sealed partial class LibraryPageTests(PackageFeed feed)
{
    [Fact]
    public void The_page_builds_trains_saves_loads_and_steps_a_model()
    {
        string page = File.ReadAllText(Path.Combine(Repository.Folder, "docs", "library.md"));
        using var project = new FreshProject(feed, ["DynConv"], otherSources: true);
        project.Write("Program.cs", string.Concat(Code().Matches(page).Select(match => match.Groups["text"].Value)));
        project.Dotnet("build", "--configuration", "Release", "--nologo").SucceededOrSkip();
        string[] lines = project.Run("bin/Release/net10.0/fresh").Succeeded().TrimEnd().Split('\n');

        double[] losses = [.. lines.Select(line => Loss().Match(line)).Where(match => match.Success)
            .Select(match => double.Parse(match.Groups["value"].Value, CultureInfo.InvariantCulture))];
        Assert.Equal(4, losses.Length);
        Assert.InRange(losses[0], 5, 6);
        Assert.InRange(losses[^1], 0, 0.2);
        Assert.StartsWith("She sells sea shells on the sea shore; the shells she sells", lines[^1], StringComparison.Ordinal);
        Assert.True(File.Exists(project.At("model.safetensors")) && File.Exists(project.At("optimizer.safetensors")));
    }

    [GeneratedRegex("```csharp\n(?<text>.*?)```", RegexOptions.Singleline)]
    private static partial Regex Code();

    [GeneratedRegex(@"^step \d+  loss (?<value>[\d.]+)$")]
    private static partial Regex Loss();
}
