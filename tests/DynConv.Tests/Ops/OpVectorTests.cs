using DynConv.Diagnostics;

namespace DynConv.Tests.Ops;

/// <summary>Results and gradients against vectors that another implementation computed in float64.</summary>
[Trait("Uses", "compiler")]
public sealed class OpVectorTests
{
    private static readonly string Folder = Path.Combine(Repository.Folder, "tests", "golden", "ops");

    private static readonly string[] Files = [.. Directory.GetFiles(Folder, "*.safetensors").Order()];

    public static TheoryData<string, string> Vectors => new(
        from device in TestDevices.Names.Except([TestDevices.MixedCuda])
        from file in Files
        select (Path.GetFileNameWithoutExtension(file), device));

    [Theory]
    [MemberData(nameof(Vectors), DisableDiscoveryEnumeration = true)]
    public void Results_and_gradients_conform(string name, string device)
    {
        ConformanceResult result = OpVector.Run(
            Path.Combine(Folder, $"{name}.safetensors"), TestDevices.Get(device), TestDevices.TypeOf(device, isParameter: false));
        Assert.SkipWhen(result.Outcome == ConformanceOutcome.Skipped, result.Detail);
        Assert.True(result.Outcome == ConformanceOutcome.Passed, $"{name} on {device}: {result}");
    }

    [Fact]
    public void Vectors_of_all_ops_are_there()
    {
        Assert.Equal(23, Files.Select(Path.GetFileName).Count(name => name!.Split('_')[0] is "static" or "headwise" or "lowrank"));
        Assert.Equal(10, Files.Select(Path.GetFileName).Count(name => name!.Split('_')[0] is "attention" or "rope" or "rms" or "swiglu" or "cross"));
    }
}
