using System.Diagnostics;
using System.Runtime.InteropServices;

namespace DynConv.Cpu;

/// <summary>A loaded OpenBLAS, or why there is none.</summary>
internal sealed unsafe class OpenBlasLibrary
{
    private OpenBlasLibrary(string reason) => Info = new OpenBlasInfo(null, null, null, reason);

    private OpenBlasLibrary(nint handle)
    {
        Sgemm = (delegate* unmanaged<int, int, int, int, int, int, float, float*, int, float*, int, float, float*, int, void>)
            NativeLibrary.GetExport(handle, "cblas_sgemm");
        var setThreads = (delegate* unmanaged<int, void>)NativeLibrary.GetExport(handle, "openblas_set_num_threads");
        var configuration = (delegate* unmanaged<byte*>)NativeLibrary.GetExport(handle, "openblas_get_config");
        var core = (delegate* unmanaged<byte*>)NativeLibrary.GetExport(handle, "openblas_get_corename");
        setThreads(1);
        Info = new OpenBlasInfo(FindPath(), Text(configuration()), Text(core()), null);
    }

    public OpenBlasInfo Info { get; }

    /// <summary>
    /// <c>cblas_sgemm</c>: order, transpose A, transpose B, M, N, K, alpha, A, its stride, B, its stride, beta, C, its
    /// stride. Null if there is no library.
    /// </summary>
    public delegate* unmanaged<int, int, int, int, int, int, float, float*, int, float*, int, float, float*, int, void> Sgemm { get; }

    /// <summary>Loads the first of <paramref name="names"/> that the system's loader finds and that is an OpenBLAS.</summary>
    public static OpenBlasLibrary Load(IReadOnlyList<string> names)
    {
        string? reason = null;
        foreach (string name in names)
        {
            try
            {
                return new OpenBlasLibrary(NativeLibrary.Load(name));
            }
            catch (Exception exception) when (exception is DllNotFoundException or BadImageFormatException or EntryPointNotFoundException)
            {
                reason ??= LastLine(exception.Message);
            }
        }

        return new OpenBlasLibrary(reason ?? "no name to look for");
    }

    // The runtime opens with advice of its own and lists each place it tried; the loader's last word says it all.
    private static string LastLine(string message) =>
        message.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)[^1];

    private static string? Text(byte* text) => Marshal.PtrToStringUTF8((nint)text)?.Trim();

    private static string? FindPath()
    {
        using Process process = Process.GetCurrentProcess();
        return process.Modules.Cast<ProcessModule>()
            .Select(module => module.FileName)
            .FirstOrDefault(path => Path.GetFileName(path).Contains("openblas", StringComparison.OrdinalIgnoreCase));
    }
}
