namespace DynConv.Packages.Tests;

/// <summary>A program that gets the libraries as packages trains a model.</summary>
public sealed class LibraryTests(PackageFeed feed)
{
    [Fact]
    public void A_model_trains_in_a_fresh_project()
    {
        using var project = new FreshProject(feed, ["DynConv", "DynConv.Models"], otherSources: true);
        LearningProgram.WriteTo(project);
        project.Dotnet("build", "--configuration", "Release", "--nologo").SucceededOrSkip();
        LearningProgram.Check(project, "bin/Release/net10.0/fresh");
    }
}
