using System.Globalization;
using System.Text.RegularExpressions;

namespace DynConv.Packages.Tests;

/// <summary>The program in the README of DynConv.Models, which trains a small model until it knows a line by heart.</summary>
internal static partial class LearningProgram
{
    private const int Steps = 40;

    /// <summary>Writes it into a project.</summary>
    /// <param name="project">The project.</param>
    /// <param name="more">Statements to add.</param>
    public static void WriteTo(FreshProject project, string more = "") =>
        project.Write("Program.cs", $"{ReadmeSample.Of("DynConv.Models")}\n{more}\n");

    /// <summary>Runs it and looks at what it prints and writes.</summary>
    /// <param name="project">Where it was built.</param>
    /// <param name="program">The program in the project's folder.</param>
    public static void Check(FreshProject project, string program)
    {
        string output = project.Run(program).Succeeded();
        double[] losses = [.. Loss().Matches(output).Select(match => double.Parse(match.Groups["loss"].Value, CultureInfo.InvariantCulture))];
        Assert.Equal(Steps, losses.Length);
        Assert.True(losses[^1] < losses[0] / 4, output);
        Assert.EndsWith("\nThe quick brown fox jumps over the lazy dog.", output.TrimEnd(), StringComparison.Ordinal);
        string[] written = [.. Directory.GetFiles(Path.Combine(project.Folder, "fox")).Select(path => Path.GetFileName(path))];
        Assert.All(["config.json", "model.safetensors", "tokenizer.json"], name => Assert.Contains(name, written));
    }

    [GeneratedRegex(@"^step \d+: loss (?<loss>[\d.]+)$", RegexOptions.Multiline)]
    private static partial Regex Loss();
}
