using System.Text.RegularExpressions;
using DynConv.Tests;

namespace DynConv.Packages.Tests;

/// <summary>The first program in a package's README.</summary>
internal static partial class ReadmeSample
{
    /// <summary>The program as it stands there.</summary>
    public static string Of(string package)
    {
        string readme = File.ReadAllText(Path.Combine(Repository.Folder, "src", package, "README.md"));
        return Program().Match(readme) is { Success: true } match
            ? match.Groups["text"].Value
            : throw new InvalidOperationException($"The README of {package} has no program.");
    }

    /// <summary>The program as a class with a method <c>Run</c>, so that several find room in one project.</summary>
    public static string AsClass(string package, string name)
    {
        string program = Of(package);
        string usings = string.Concat(Using().Matches(program).Select(match => match.Value));
        string statements = Using().Replace(program, "");
        int types = Type().Match(statements) is { Success: true } type ? type.Index : statements.Length;
        return $"{usings}\npublic static class {name} {{ public static void Run() {{\n{statements[..types]}\n}} }}\n{statements[types..]}";
    }

    [GeneratedRegex("```csharp\n(?<text>.*?)```", RegexOptions.Singleline)]
    private static partial Regex Program();

    [GeneratedRegex("^using [A-Za-z.]+;\n", RegexOptions.Multiline)]
    private static partial Regex Using();

    [GeneratedRegex(@"^(sealed )?(class|record) ", RegexOptions.Multiline)]
    private static partial Regex Type();
}
