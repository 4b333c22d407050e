using DynConv.Cuda;

namespace DynConv.Tests.Cuda;

/// <summary>Every kernel compiles, without a warning, for the oldest and for the tuned-for architecture.</summary>
public sealed class KernelCompilationTests
{
    private static readonly int[] Architectures = [80, 90];

    public static TheoryData<string> Files => [.. KernelSources.KernelFiles];

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Files))]
    public void Compiles_for_sm_80_and_sm_90(string file)
    {
        Assert.SkipUnless(DeviceCompiler.Clang is not null, "there is no clang");
        using var compiler = new DeviceCompiler();
        string?[] complaints =
        [
            .. from architecture in Architectures.AsParallel()
               from options in KernelTables.Specialisations(file)
               select compiler.Compile(file, architecture, options),
        ];
        Assert.DoesNotContain(complaints, complaint => complaint is not null);
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Files))]
    public void Every_entry_point_has_a_table_with_an_example(string file)
    {
        string[] defined = [.. KernelTables.EntryPoints(file).Order()];
        Assert.NotEmpty(defined);
        Assert.All(
            defined,
            name => Assert.Contains(
                KernelTables.All, table => table.File == file && table.EntryPoint == name && table.Examples.Count > 0));
    }

    [Fact]
    public void Every_table_names_an_entry_point_that_there_is() => Assert.All(
        KernelTables.All, table => Assert.Contains(table.EntryPoint, KernelTables.EntryPoints(table.File)));
}
