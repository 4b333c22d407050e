using System.Reflection;
using System.Text;

namespace DynConv.Cuda;

/// <summary>
/// The CUDA C++ sources that are embedded in assemblies, by file name, each with checks that its parameter structs are
/// those of C#.
/// </summary>
internal static class KernelSources
{
    private static SortedDictionary<string, string> _files = Load(typeof(KernelSources).Assembly);

    /// <summary>Names and texts of the files that kernels include.</summary>
    public static IEnumerable<KeyValuePair<string, string>> Headers =>
        _files.Where(file => file.Key.EndsWith(".cuh", StringComparison.Ordinal));

    /// <summary>Names of the kernel files.</summary>
    public static IEnumerable<string> KernelFiles =>
        _files.Keys.Where(name => name.EndsWith(".cu", StringComparison.Ordinal));

    /// <summary>Adds the sources that another assembly holds; their names are unique among all.</summary>
    /// <param name="assembly">Of ops that live elsewhere.</param>
    public static void Include(Assembly assembly)
    {
        var all = new SortedDictionary<string, string>(_files, StringComparer.Ordinal);
        foreach ((string name, string text) in Load(assembly))
        {
            all.Add(name, text);
        }

        _files = all;
    }

    /// <summary>The text of a file.</summary>
    public static string Text(string name) => _files.TryGetValue(name, out string? text)
        ? text
        : throw new DynConvException($"There is no kernel source {name}.");

    private static SortedDictionary<string, string> Load(Assembly assembly)
    {
        var files = new SortedDictionary<string, string>(StringComparer.Ordinal);
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
