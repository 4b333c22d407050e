using System.Reflection;
using System.Text;

namespace DynConv.Cuda;

/// <summary>
/// The CUDA C++ sources that are embedded in this assembly, by file name, each with checks that its parameter structs are
/// those of C#.
/// </summary>
internal static class KernelSources
{
    private static readonly Lazy<SortedDictionary<string, string>> Files = new(Load);

    /// <summary>Names and texts of the files that kernels include.</summary>
    public static IEnumerable<KeyValuePair<string, string>> Headers =>
        Files.Value.Where(file => file.Key.EndsWith(".cuh", StringComparison.Ordinal));

    /// <summary>Names of the kernel files.</summary>
    public static IEnumerable<string> KernelFiles =>
        Files.Value.Keys.Where(name => name.EndsWith(".cu", StringComparison.Ordinal));

    /// <summary>The text of a file.</summary>
    public static string Text(string name) => Files.Value.TryGetValue(name, out string? text)
        ? text
        : throw new DynConvException($"There is no kernel source {name}.");

    private static SortedDictionary<string, string> Load()
    {
        var files = new SortedDictionary<string, string>(StringComparer.Ordinal);
        Assembly assembly = typeof(KernelSources).Assembly;
        foreach (string name in assembly.GetManifestResourceNames())
        {
            if (name.EndsWith(".cu", StringComparison.Ordinal) || name.EndsWith(".cuh", StringComparison.Ordinal))
            {
                using Stream stream = assembly.GetManifestResourceStream(name)!;
                using var reader = new StreamReader(stream, Encoding.UTF8);
                files.Add(name, $"{reader.ReadToEnd()}{CudaStructAttribute.Assertions(name)}");
            }
        }

        return files;
    }
}
