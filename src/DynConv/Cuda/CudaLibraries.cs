using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;

namespace DynConv.Cuda;

/// <summary>
/// Finds NVIDIA's libraries: first in the folders that the environment variable <c>DYNCONV_CUDA_LIBRARIES</c> names,
/// then where the system's loader looks, then in the toolkit's usual places. A newer toolkit is preferred to an older
/// one, but not to one that the driver is too old for.
/// </summary>
internal static class CudaLibraries
{
    /// <summary>The name of the driver in bindings.</summary>
    public const string Driver = "cuda";

    /// <summary>The name of the run-time compiler in bindings.</summary>
    public const string Nvrtc = "nvrtc";

    /// <summary>The name of the matrix products in bindings.</summary>
    public const string CublasLt = "cublasLt";

    // Toolkits and drivers that the system's loader may not know of.
    private static readonly string[] ToolkitFolders =
        ["/usr/local/cuda/lib64", "/usr/local/cuda/targets/x86_64-linux/lib", "/usr/local/nvidia/lib64"];

    // Without their version, names may be those of a toolkit that is too old for what is asked of it here.
    private static readonly Dictionary<string, string> NamePatterns = OperatingSystem.IsWindows()
        ? new()
        {
            [Driver] = "nvcuda.dll",
            [Nvrtc] = "nvrtc64_{0}0_0.dll",
            [CublasLt] = "cublasLt64_{0}.dll",
        }
        : new()
        {
            [Driver] = "libcuda.so.1",
            [Nvrtc] = "libnvrtc.so.{0}",
            [CublasLt] = "libcublasLt.so.{0}",
        };

    private static readonly string CompilerParts = OperatingSystem.IsWindows() ? "nvrtc-builtins64_*.dll" : "libnvrtc-builtins.so.*";

    private static readonly int[] Toolkits = [13, 12];

    private static readonly Dictionary<string, nint> Loaded = [];
    private static readonly Lock Gate = new();
    private static bool _registered;

    /// <summary>Makes the bindings of this assembly find the libraries.</summary>
    public static void Register()
    {
        lock (Gate)
        {
            if (!_registered)
            {
                NativeLibrary.SetDllImportResolver(typeof(CudaLibraries).Assembly, Resolve);
                _registered = true;
            }
        }
    }

    /// <summary>Loads a library once; false if it is nowhere.</summary>
    public static bool TryLoad(string library, out nint handle)
    {
        lock (Gate)
        {
            if (!Loaded.TryGetValue(library, out handle))
            {
                Loaded[library] = handle = Find(library);
            }

            return handle != 0;
        }
    }

    /// <summary>The file name that people look for, as in <c>libnvrtc.so.13</c>.</summary>
    public static string FileName(string library) => FileNames(library)[0];

    /// <summary>The newest toolkit that the driver can work with; the newest there is, if there is no driver.</summary>
    public static int NewestToolkit() => UsableToolkits()[0];

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path) =>
        NamePatterns.ContainsKey(name) && TryLoad(name, out nint handle) ? handle : 0;

    private static string[] FileNames(string library) => library == Driver
        ? [NamePatterns[Driver]]
        : [.. UsableToolkits().Select(toolkit => string.Format(CultureInfo.InvariantCulture, NamePatterns[library], toolkit))];

    private static int[] UsableToolkits()
    {
        int newest = DriverToolkit();
        int[] usable = Array.FindAll(Toolkits, toolkit => toolkit <= newest);
        return usable.Length > 0 ? usable : [Toolkits[^1]];
    }

    private static unsafe int DriverToolkit()
    {
        const int VersionUnit = 1000;
        int version;
        return TryLoad(Driver, out _) && CudaDriver.cuDriverGetVersion(&version) == CudaDriver.Success
            ? version / VersionUnit
            : Toolkits[0];
    }

    private static nint Find(string library)
    {
        string[] names = FileNames(library);
        string[] own = (Environment.GetEnvironmentVariable("DYNCONV_CUDA_LIBRARIES") ?? "")
            .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
        IEnumerable<string> places =
        [
            .. own.SelectMany(folder => names.Select(name => Path.Combine(folder, name))),
            .. names.SelectMany(name => (string[])[name, .. ToolkitFolders.Select(folder => Path.Combine(folder, name))]),
        ];
        foreach (string place in places)
        {
            if (NativeLibrary.TryLoad(place, out nint handle))
            {
                LoadParts(library, place);
                return handle;
            }
        }

        return 0;
    }

    /// <summary>
    /// The compiler asks the system's loader for a part of itself by its bare name, which the loader only finds in a folder
    /// that it does not know if it has been loaded before.
    /// </summary>
    private static void LoadParts(string library, string place)
    {
        if (library == Nvrtc && Path.GetDirectoryName(place) is { Length: > 0 } folder)
        {
            foreach (string part in Directory.GetFiles(folder, CompilerParts))
            {
                _ = NativeLibrary.TryLoad(part, out _);
            }
        }
    }
}
