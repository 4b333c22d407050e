using System.Reflection;
using DynConv.Experiments.Ablations;
using DynConv.Models;
using DynConv.Reports;
using DynConv.Tests;
using DynConv.Training;
using PublicApiGenerator;

namespace DynConv.Cli.Tests;

/// <summary>What others can build on is written down, so that a change of it is seen and meant.</summary>
public sealed class PublicApiTests
{
    private const string AcceptVariable = "DYNCONV_ACCEPT_API";

    private static readonly ApiGeneratorOptions Options = new()
    {
        IncludeAssemblyAttributes = false,
        ExcludeAttributes =
        [
            "System.Runtime.CompilerServices.CompilerGeneratedAttribute",
            "System.Runtime.CompilerServices.NullableAttribute",
            "System.Runtime.CompilerServices.NullableContextAttribute",
            "System.Runtime.CompilerServices.IsReadOnlyAttribute",
        ],
    };

    public static TheoryData<string> Assemblies => ["DynConv", "DynConv.Models", "DynConv.Training", "DynConv.Experiments", "DynConv.Reports"];

    [Theory]
    [MemberData(nameof(Assemblies))]
    public void The_public_surface_is_the_one_written_down(string name)
    {
        Assembly assembly = AssemblyOf(name);
        string actual = assembly.GeneratePublicApi(Options).ReplaceLineEndings("\n") + "\n";
        string path = Path.Combine(Repository.Folder, "tests", "DynConv.Cli.Tests", "PublicApi", $"{name}.txt");
        if (Environment.GetEnvironmentVariable(AcceptVariable) == "1")
        {
            File.WriteAllText(path, actual);
        }

        string expected = File.Exists(path) ? File.ReadAllText(path).ReplaceLineEndings("\n") : "";
        Assert.True(actual == expected, Difference(name, expected, actual));
    }

    /// <summary>Nothing that one part of a program sets changes what another part of it does.</summary>
    [Theory]
    [MemberData(nameof(Assemblies))]
    public void Nothing_is_set_for_the_whole_process(string name)
    {
        const BindingFlags Static = BindingFlags.Public | BindingFlags.Static | BindingFlags.DeclaredOnly;
        Type[] types = AssemblyOf(name).GetExportedTypes();
        Assert.DoesNotContain(types.SelectMany(type => type.GetProperties(Static)), property => property.SetMethod is { IsPublic: true });
        Assert.DoesNotContain(types.SelectMany(type => type.GetFields(Static)), field => !field.IsInitOnly && !field.IsLiteral);
    }

    private static Assembly AssemblyOf(string name) => name switch
    {
        "DynConv" => typeof(Tensor).Assembly,
        "DynConv.Models" => typeof(LanguageModel).Assembly,
        "DynConv.Training" => typeof(TrainingConfiguration).Assembly,
        "DynConv.Experiments" => typeof(AblationGrid).Assembly,
        _ => typeof(Report).Assembly,
    };

    private static string Difference(string name, string expected, string actual)
    {
        const int Most = 30;
        string[] before = expected.Split('\n');
        string[] now = actual.Split('\n');
        IEnumerable<string> changes = before.Except(now).Select(line => $"- {line.Trim()}")
            .Concat(now.Except(before).Select(line => $"+ {line.Trim()}"));
        return $"The public surface of {name} has changed. If that is meant, run the tests once with {AcceptVariable}=1 and commit " +
            $"PublicApi/{name}.txt.\n{string.Join('\n', changes.Take(Most))}";
    }
}
