namespace DynConv.Packages.Tests;

/// <summary>The command, installed from its package.</summary>
public sealed class ToolTests(PackageFeed feed)
{
    [Fact]
    public void The_installed_command_trains_and_generates()
    {
        // Its package holds all that it needs, so that no other source of packages is known.
        using var home = new FreshProject(feed, []);
        home.Dotnet("tool", "install", PackageFeed.ToolName, "--version", feed.Version, "--tool-path", "tools").Succeeded();
        Assert.StartsWith(feed.BaseVersion, Run("--version"), StringComparison.Ordinal);

        home.Write("text.txt", string.Concat(Enumerable.Range(0, 400).Select(i => $"The {i}th fox jumps over {i + 1} lazy dogs.\n")));
        Run("train", "--data", "text.txt", "--preset", "nano", "--steps", "3", "--context", "64", "--batch", "2", "--device", "cpu", "--out", "run");
        Assert.True(File.Exists(home.At("run/model.safetensors")));
        Assert.StartsWith("The 7th", Run("generate", "--model", "run", "--prompt", "The 7th", "--max-tokens", "8", "--device", "cpu"), StringComparison.Ordinal);

        home.Dotnet("tool", "uninstall", PackageFeed.ToolName, "--tool-path", "tools").Succeeded();
        Assert.Empty(Directory.GetFiles(home.At("tools")));

        string Run(params string[] arguments) => home.Run("tools/dynconv", arguments).Succeeded();
    }
}
