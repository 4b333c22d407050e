using System.Reflection;
using System.Runtime.InteropServices;

namespace DynConv.Cuda;

/// <summary>
/// Finds NVIDIA's libraries: first in the folder that the environment variable <c>DYNCONV_CUDA_LIBRARIES</c> names,
/// then where the system's loader looks, then in the toolkit's usual places.
/// </summary>
internal static class CudaLibraries
{
    /// <summary>The name of the driver in bindings.</summary>
    public const string Driver = "cuda";

    /// <summary>The name of the run-time compiler in bindings.</summary>
    public const string Nvrtc = "nvrtc";

    /// <summary>The name of the matrix products in bindings.</summary>
    public const string CublasLt = "cublasLt";

    private static readonly Dictionary<string, string[]> FileNames = OperatingSystem.IsWindows()
        ? new()
        {
            [Driver] = ["nvcuda.dll"],
            [Nvrtc] = ["nvrtc64_130_0.dll", "nvrtc64_120_0.dll"],
            [CublasLt] = ["cublasLt64_13.dll", "cublasLt64_12.dll"],
        }
        : new()
        {
            [Driver] = ["libcuda.so.1", "libcuda.so"],
            [Nvrtc] = ["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"],
            [CublasLt] = ["libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so"],
        };

    private static readonly string[] ToolkitFolders =
        ["/usr/local/cuda/lib64", "/usr/local/cuda/targets/x86_64-linux/lib", "/usr/local/nvidia/lib64"];

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
                Loaded[library] = handle = Find(FileNames[library]);
            }

            return handle != 0;
        }
    }

    /// <summary>The file name that people look for, as in <c>libnvrtc.so.13</c>.</summary>
    public static string FileName(string library) => FileNames[library][0];

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path) =>
        FileNames.ContainsKey(name) && TryLoad(name, out nint handle) ? handle : 0;

    private static nint Find(string[] names)
    {
        string? own = Environment.GetEnvironmentVariable("DYNCONV_CUDA_LIBRARIES");
        IEnumerable<string> places =
        [
            .. string.IsNullOrEmpty(own) ? [] : names.Select(name => Path.Combine(own, name)),
            .. names,
            .. ToolkitFolders.SelectMany(folder => names.Select(name => Path.Combine(folder, name))),
        ];
        foreach (string place in places)
        {
            if (NativeLibrary.TryLoad(place, out nint handle))
            {
                return handle;
            }
        }

        return 0;
    }
}
