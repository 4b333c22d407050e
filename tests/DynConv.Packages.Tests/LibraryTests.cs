namespace DynConv.Packages.Tests;

/// <summary>A program that gets the libraries as packages trains a model.</summary>
public sealed class LibraryTests(PackageFeed feed)
{
    /// <summary>These two need nothing but themselves: no other source of packages is known to the project.</summary>
    [Fact]
    public void A_model_trains_in_a_fresh_project()
    {
        using var project = new FreshProject(feed, ["DynConv", "DynConv.Models"]);
        LearningProgram.WriteTo(project);
        project.Dotnet("build", "--configuration", "Release", "--nologo").Succeeded();
        LearningProgram.Check(project, "bin/Release/net10.0/fresh");
    }
}
