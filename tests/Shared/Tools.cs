using System.Runtime.CompilerServices;
using DynConv.Cpu;

namespace DynConv.Tests;

/// <summary>
/// What tests use of the machine beside .NET. An environment variable takes the place of each search, so that a machine
/// can be tested as if it had less than it has: <c>none</c>, or another one's path.
/// </summary>
public static class Tools
{
    private const string CompilerVariable = "DYNCONV_TEST_COMPILER";
    private const string OpenBlasVariable = "DYNCONV_TEST_OPENBLAS";
    private const string None = "none";

    private static readonly string[] ClangNames =
        ["clang++-16", "clang++-17", "clang++-18", "clang++-19", "clang++-20", "clang++"];

    private static readonly string[] GccNames = ["g++"];

    /// <summary>
    /// What compiles kernels as C++ for the emulated card: <c>clang++</c>, or else <c>g++</c>;
    /// <c>DYNCONV_TEST_COMPILER</c> is <c>clang</c>, <c>g++</c> or <c>none</c>.
    /// </summary>
    public static Tool Compiler { get; } = Environment.GetEnvironmentVariable(CompilerVariable) switch
    {
        null or "" => Find("clang++ and no g++", [.. ClangNames, .. GccNames]),
        "clang" => Find("clang++", ClangNames),
        "g++" => Find("g++", GccNames),
        None => Tool.Not($"{CompilerVariable} is {None}"),
        string other => throw new InvalidOperationException($"{CompilerVariable} is '{other}'; use clang, g++ or none."),
    };

    /// <summary>What compiles kernels for cards: <see cref="Compiler"/>, if it is clang.</summary>
    public static Tool DeviceCompiler { get; } =
        Compiler.Path is null || Path.GetFileName(Compiler.Path).StartsWith("clang", StringComparison.Ordinal)
            ? Compiler
            : Tool.Not($"kernels are compiled for cards by clang, and the compiler here is {Compiler.Path}");

    /// <summary>NVIDIA's assembler, which has a second look at what <see cref="DeviceCompiler"/> makes.</summary>
    public static Tool DeviceAssembler { get; } = Named("DYNCONV_TEST_PTXAS", "ptxas");

    /// <summary>What links programs of native code.</summary>
    public static Tool NativeLinker { get; } = Find("clang and no gcc", ["clang", "gcc"]);

    /// <summary>What drives <see cref="Chromium"/>.</summary>
    public static Tool Node { get; } = Named("DYNCONV_TEST_NODE", "node");

    /// <summary>The browser that looks at pages.</summary>
    public static Tool Chromium { get; } = Named("DYNCONV_TEST_CHROMIUM", "chromium", "chromium-browser", "google-chrome");

    /// <summary>The machine's OpenBLAS, as the library finds it.</summary>
    public static Tool OpenBlas => Environment.GetEnvironmentVariable(OpenBlasVariable) == None
        ? Tool.Not($"{OpenBlasVariable} is {None}")
        : Blas.OpenBlasInfo is { IsAvailable: false, Reason: var reason } ? Tool.Not($"there is no OpenBLAS ({reason})")
        : new Tool(Blas.OpenBlasInfo.LibraryPath ?? "OpenBLAS", null);

    // Without OpenBLAS, its tests are not all that changes: the library multiplies by itself, here and in child processes.
    [ModuleInitializer]
    internal static void LeaveOutOpenBlas()
    {
        if (Environment.GetEnvironmentVariable(OpenBlasVariable) == None)
        {
            Environment.SetEnvironmentVariable("DYNCONV_BLAS", "managed");
        }
    }

    private static Tool Named(string variable, params string[] names) => Environment.GetEnvironmentVariable(variable) switch
    {
        null or "" => Find(names[0], names),
        None => Tool.Not($"{variable} is {None}"),
        string path => File.Exists(path) ? new Tool(path, null) : Tool.Not($"{variable} is {path}, where no file is"),
    };

    private static Tool Find(string what, string[] names)
    {
        string[] folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator);
        IEnumerable<string> places = names.SelectMany(name => folders.Select(folder => Path.Combine(folder, name)));
        return places.FirstOrDefault(File.Exists) is { } path ? new Tool(path, null) : Tool.Not($"there is no {what}");
    }
}
