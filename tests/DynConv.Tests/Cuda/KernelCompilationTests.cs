using DynConv.Cuda;

namespace DynConv.Tests.Cuda;

/// <summary>Every kernel compiles, without a warning, for the oldest and for the tuned-for architecture.</summary>
[Trait("Uses", "compiler")]
public sealed class KernelCompilationTests
{
    private static readonly int[] Architectures = [80, 90];

    public static TheoryData<string> Files => [.. KernelSources.KernelFiles];

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Files))]
    public void Compiles_for_sm_80_and_sm_90(string file)
    {
        using var compiler = new DeviceCompiler();
        string[] complaints =
        [
            .. from architecture in Architectures.AsParallel()
               from options in KernelTables.Specialisations(file)
               let complaint = compiler.Compile(file, architecture, options)
               where complaint is not null
               select complaint,
        ];
        Assert.True(complaints.Length == 0, string.Join('\n', complaints));
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Files))]
    public void Compiles_with_the_compiler_that_cards_use(string file)
    {
        Assert.SkipUnless(HasNvrtc(), "there is no NVRTC of NVIDIA's");
        foreach (IReadOnlyList<(string Name, string Value)> example in KernelTables.Examples(file))
        {
            var request = new KernelRequest(file, "", [.. example]);
            Assert.NotEmpty(KernelCompiler.Compile(request, KernelCompiler.Options(request, "90")));
        }
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Files))]
    public void Every_entry_point_has_a_table_with_an_example(string file)
    {
        string[] defined = [.. KernelTables.EntryPoints(file)];
        IEnumerable<string> tabled =
            KernelTables.All.Where(table => table.File == file && table.Examples.Count > 0).Select(table => table.EntryPoint);
        string[] missing = [.. defined.Except(tabled)];
        Assert.NotEmpty(defined);
        Assert.Empty(missing);
    }

    [Fact]
    public void A_parameter_struct_that_is_not_that_of_CSharp_does_not_compile()
    {
        using var compiler = new DeviceCompiler();
        string rope = KernelSources.Text("rope.cu");
        string[] options = KernelTables.Specialisations("rope.cu")[0];
        compiler.Replace("rope.cu", rope.Replace("int64 heads;\n    int64 accumulate;", "int64 accumulate;\n    int64 heads;", StringComparison.Ordinal));
        Assert.Contains("RopeHeads.heads stands elsewhere", compiler.Compile("rope.cu", 90, options));
        compiler.Replace("rope.cu", rope.Replace("int64 accumulate;", "int64 accumulate, more;", StringComparison.Ordinal));
        Assert.Contains("RopeHeads and RopeHeads of C# differ in size", compiler.Compile("rope.cu", 90, options));
        compiler.Replace("rope.cu", rope);
        Assert.Null(compiler.Compile("rope.cu", 90, options));
    }

    [Fact]
    public void A_parameter_struct_that_no_compiler_checks_is_refused()
    {
        var unmarked = new DateTime(1);
        var failure = Assert.Throws<TypeInitializationException>(() => KernelArgument.Of(in unmarked));
        Assert.Contains("System.DateTime lacks CudaStructAttribute", failure.InnerException!.Message);
    }

    /// <summary>Launches overlap: a kernel that did not wait would read what the one before it has yet to write.</summary>
    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Files))]
    public void Every_entry_point_waits_for_earlier_launches_first(string file)
    {
        string text = KernelSources.Text(file);
        foreach (string entryPoint in KernelTables.EntryPoints(file))
        {
            int signature = text.IndexOf($" {entryPoint}(", StringComparison.Ordinal);
            string body = text[(text.IndexOf('{', signature) + 1)..];
            Assert.StartsWith("after_earlier_launches();", body.TrimStart(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Every_table_names_an_entry_point_that_there_is() => Assert.All(
        KernelTables.All.Select(table => (table.File, table.EntryPoint)),
        kernel => Assert.Contains(kernel.EntryPoint, KernelTables.EntryPoints(kernel.File)));

    // The emulator's compiler calls itself 0.something.
    private static bool HasNvrtc() =>
        CudaLibraries.TryLoad(CudaLibraries.Nvrtc, out _) && !KernelCompiler.Version.StartsWith("0.", StringComparison.Ordinal);
}
