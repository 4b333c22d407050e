using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using DynConv.Cuda;

namespace DynConv.Tests;

/// <summary>The op that the documentation adds is this folder's: what a page shows compiles as it stands and passes its tests.</summary>
public sealed partial class WalkthroughTests
{
    [ModuleInitializer]
    internal static void IncludeKernels() => KernelSources.Include(typeof(WalkthroughTests).Assembly);

    [Theory]
    [InlineData("adding-an-op.md", "Square.cs", "Square.Description.cs", "Square.Cpu.cs", "SquareTests.cs")]
    [InlineData("adding-a-kernel.md", "square.cu", "Square.Cuda.cs")]
    public void The_documentation_shows_this_very_code(string page, params string[] files)
    {
        string text = File.ReadAllText(Path.Combine(Repository.Folder, "docs", page));
        string[] blocks = [.. CodeBlock().Matches(text).Select(static match => match.Groups["code"].Value)];
        Assert.Equal(files.Length, blocks.Length);
        Assert.All(files.Zip(blocks), static pair => Assert.Equal(
            File.ReadAllText(Path.Combine(Repository.Folder, "tests", "DynConv.Tests", "Walkthrough", pair.First)), pair.Second));
    }

    [GeneratedRegex(@"^```(csharp|cpp)\n(?<code>.*?)^```$", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex CodeBlock();
}
