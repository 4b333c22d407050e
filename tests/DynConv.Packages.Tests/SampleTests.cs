namespace DynConv.Packages.Tests;

/// <summary>The programs in READMEs, with other people's packages in the versions that ours ask for.</summary>
public sealed class SampleTests(PackageFeed feed)
{
    [Fact]
    public void The_samples_of_all_libraries_compile_in_one_fresh_project()
    {
        string[] packages = [.. PackageFeed.Names.Where(name => name != PackageFeed.ToolName)];
        using var project = new FreshProject(feed, packages, otherSources: true);
        foreach (string package in packages)
        {
            string name = $"{package.Replace(".", "", StringComparison.Ordinal)}Sample";
            project.Write($"{name}.cs", ReadmeSample.AsClass(package, name));
        }

        project.Write("Program.cs", "DynConvSample.Run();\n");
        project.Dotnet("build", "--configuration", "Release", "--nologo").SucceededOrSkip();
        Assert.Equal("[4, 256, 384]\n", project.Run("bin/Release/net10.0/fresh").Succeeded());
    }
}
