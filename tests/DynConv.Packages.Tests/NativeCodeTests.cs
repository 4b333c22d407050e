using DynConv.Tests;

namespace DynConv.Packages.Tests;

/// <summary>The libraries that say so are safe for trimming and native code: a warning of the compiler fails the test.</summary>
public sealed class NativeCodeTests(PackageFeed feed)
{
    // A program that never asks for a card has no code for one in it, and none that the compiler could warn of.
    private const string AsksForACard = "Console.Error.WriteLine(Device.TryCuda(out Device? card, out string? reason) ? $\"{card}\" : reason);";

    [Fact]
    public void A_model_trains_in_a_program_of_native_code()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "the linker of native code is looked for on Linux");
        Tools.NativeLinker.OrSkip();
        using var project = new FreshProject(feed, ["DynConv", "DynConv.Models"], otherSources: true, properties: "<PublishAot>true</PublishAot>");
        LearningProgram.WriteTo(project, AsksForACard);
        project.Dotnet("publish", "--configuration", "Release", "--nologo", "--use-current-runtime", "--output", "published").SucceededOrSkip();
        LearningProgram.Check(project, "published/fresh");
    }
}
