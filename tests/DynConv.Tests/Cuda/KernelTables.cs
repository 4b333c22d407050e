using System.Reflection;
using System.Text.RegularExpressions;
using DynConv.Cuda;

namespace DynConv.Tests.Cuda;

/// <summary>All kernels of the library and of the documentation: what its tables name, and what its sources define.</summary>
internal static partial class KernelTables
{
    private const BindingFlags OwnStatics =
        BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;

    /// <summary>Every kernel table that a static field holds.</summary>
    public static IReadOnlyList<IKernelTable> All { get; } =
    [
        .. new[] { typeof(Tensor).Assembly, typeof(KernelTables).Assembly }.SelectMany(static assembly => assembly.GetTypes())
            .Where(type => !type.ContainsGenericParameters)
            .SelectMany(type => type.GetFields(OwnStatics))
            .Where(field => typeof(IKernelTable).IsAssignableFrom(field.FieldType))
            .Select(field => (IKernelTable)field.GetValue(null)!),
    ];

    /// <summary>The entry points that a source defines.</summary>
    public static IEnumerable<string> EntryPoints(string file) =>
        EntryPoint().Matches(KernelSources.Text(file)).Select(match => match.Groups["name"].Value);

    /// <summary>The distinct sets of macros that a file's examples ask for.</summary>
    public static IEnumerable<IReadOnlyList<(string Name, string Value)>> Examples(string file) =>
        All.Where(table => table.File == file)
            .SelectMany(table => table.Examples)
            .DistinctBy(example => string.Join(' ', example));

    /// <summary>The same as compiler options.</summary>
    public static IReadOnlyList<string[]> Specialisations(string file) =>
        [.. Examples(file).Select(example => example.Select(macro => $"-D{macro.Name}={macro.Value}").ToArray())];

    [GeneratedRegex(@"__global__\s+void\s+(__launch_bounds__\s*\((?:[^()]|\([^()]*\))*\)\s*)?(?<name>\w+)\s*\(")]
    private static partial Regex EntryPoint();
}
