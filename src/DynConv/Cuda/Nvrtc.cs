using System.Runtime.InteropServices;

namespace DynConv.Cuda;

/// <summary>The functions of NVIDIA's run-time compiler that are used here, by the names of its documentation.</summary>
internal static unsafe partial class Nvrtc
{
    static Nvrtc() => CudaLibraries.Register();

    [LibraryImport(CudaLibraries.Nvrtc)]
    public static partial int nvrtcVersion(int* major, int* minor);

    [LibraryImport(CudaLibraries.Nvrtc)]
    public static partial int nvrtcCreateProgram(
        nint* program, byte* source, byte* name, int headers, byte** headerSources, byte** headerNames);

    [LibraryImport(CudaLibraries.Nvrtc)]
    public static partial int nvrtcCompileProgram(nint program, int count, byte** options);

    [LibraryImport(CudaLibraries.Nvrtc)]
    public static partial int nvrtcGetProgramLogSize(nint program, nuint* bytes);

    [LibraryImport(CudaLibraries.Nvrtc)]
    public static partial int nvrtcGetProgramLog(nint program, byte* log);

    [LibraryImport(CudaLibraries.Nvrtc)]
    public static partial int nvrtcGetCUBINSize(nint program, nuint* bytes);

    [LibraryImport(CudaLibraries.Nvrtc)]
    public static partial int nvrtcGetCUBIN(nint program, byte* cubin);

    [LibraryImport(CudaLibraries.Nvrtc)]
    public static partial int nvrtcDestroyProgram(nint* program);

    [LibraryImport(CudaLibraries.Nvrtc)]
    public static partial byte* nvrtcGetErrorString(int status);
}
