using System.Runtime.InteropServices;

namespace DynConv.Cuda;

/// <summary>The functions of the CUDA driver that are used here, by the names of its documentation.</summary>
internal static unsafe partial class CudaDriver
{
    public const int Success = 0;
    public const int OutOfMemory = 2;
    public const uint EventWithoutTiming = 2;

    static CudaDriver() => CudaLibraries.Register();

    /// <summary>Throws one sentence if the driver reports a failure.</summary>
    public static void Check(int status, string what)
    {
        if (status != Success)
        {
            throw new DynConvException($"CUDA: {what} failed: {Describe(status)}.");
        }
    }

    public static string Describe(int status)
    {
        byte* text;
        return cuGetErrorString(status, &text) == Success
            ? $"{Marshal.PtrToStringUTF8((nint)text)} ({status})"
            : $"error {status}";
    }

    [LibraryImport(CudaLibraries.Driver)]
    public static partial int cuInit(uint flags);

    [LibraryImport(CudaLibraries.Driver)]
    public static partial int cuDriverGetVersion(int* version);

    [LibraryImport(CudaLibraries.Driver)]
    public static partial int cuDeviceGetCount(int* count);

    [LibraryImport(CudaLibraries.Driver)]
    public static partial int cuDeviceGet(int* device, int ordinal);

    [LibraryImport(CudaLibraries.Driver)]
    public static partial int cuDeviceGetName(byte* name, int length, int device);

    [LibraryImport(CudaLibraries.Driver)]
    public static partial int cuDeviceGetAttribute(int* value, CudaDeviceAttribute attribute, int device);

    [LibraryImport(CudaLibraries.Driver)]
    public static partial int cuDeviceTotalMem_v2(nuint* bytes, int device);

    [LibraryImport(CudaLibraries.Driver)]
    public static partial int cuDevicePrimaryCtxRetain(nint* context, int device);

    [LibraryImport(CudaLibraries.Driver)]
    public static partial int cuCtxSetCurrent(nint context);

    [LibraryImport(CudaLibraries.Driver)]
    public static partial int cuMemGetInfo_v2(nuint* free, nuint* total);

    [LibraryImport(CudaLibraries.Driver)]
    public static partial int cuMemAlloc_v2(nint* address, nuint bytes);

    [LibraryImport(CudaLibraries.Driver)]
    public static partial int cuMemFree_v2(nint address);

    [LibraryImport(CudaLibraries.Driver)]
    public static partial int cuMemHostAlloc(nint* address, nuint bytes, uint flags);

    [LibraryImport(CudaLibraries.Driver)]
    public static partial int cuMemcpyHtoDAsync_v2(nint to, void* from, nuint bytes, nint stream);

    [LibraryImport(CudaLibraries.Driver)]
    public static partial int cuMemcpyDtoHAsync_v2(void* to, nint from, nuint bytes, nint stream);

    [LibraryImport(CudaLibraries.Driver)]
    public static partial int cuMemcpyDtoDAsync_v2(nint to, nint from, nuint bytes, nint stream);

    [LibraryImport(CudaLibraries.Driver)]
    public static partial int cuMemsetD8Async(nint to, byte value, nuint count, nint stream);

    [LibraryImport(CudaLibraries.Driver)]
    public static partial int cuStreamCreate(nint* stream, uint flags);

    [LibraryImport(CudaLibraries.Driver)]
    public static partial int cuStreamSynchronize(nint stream);

    [LibraryImport(CudaLibraries.Driver)]
    public static partial int cuEventCreate(nint* created, uint flags);

    [LibraryImport(CudaLibraries.Driver)]
    public static partial int cuEventRecord(nint recorded, nint stream);

    [LibraryImport(CudaLibraries.Driver)]
    public static partial int cuEventSynchronize(nint awaited);

    [LibraryImport(CudaLibraries.Driver)]
    public static partial int cuEventElapsedTime(float* milliseconds, nint start, nint end);

    [LibraryImport(CudaLibraries.Driver)]
    public static partial int cuEventDestroy_v2(nint destroyed);

    [LibraryImport(CudaLibraries.Driver)]
    public static partial int cuModuleLoadData(nint* module, void* image);

    [LibraryImport(CudaLibraries.Driver, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int cuModuleGetFunction(nint* function, nint module, string name);

    [LibraryImport(CudaLibraries.Driver)]
    public static partial int cuFuncGetAttribute(int* value, CudaFunctionAttribute attribute, nint function);

    [LibraryImport(CudaLibraries.Driver)]
    public static partial int cuFuncSetAttribute(nint function, CudaFunctionAttribute attribute, int value);

    [LibraryImport(CudaLibraries.Driver)]
    public static partial int cuOccupancyMaxActiveBlocksPerMultiprocessor(
        int* blocks, nint function, int threads, nuint sharedBytes);

    [LibraryImport(CudaLibraries.Driver)]
    public static partial int cuLaunchKernelEx(CudaLaunch* launch, nint function, void** parameters, void** extra);

    [LibraryImport(CudaLibraries.Driver)]
    public static partial int cuTensorMapEncodeTiled(
        CudaTensorMap* map, int type, uint rank, void* start, ulong* sizes, ulong* strides, uint* box, uint* steps, int interleave, int swizzle, int promotion, int fill);

    [LibraryImport(CudaLibraries.Driver)]
    public static partial int cuStreamBeginCapture_v2(nint stream, int mode);

    [LibraryImport(CudaLibraries.Driver)]
    public static partial int cuStreamEndCapture(nint stream, nint* graph);

    [LibraryImport(CudaLibraries.Driver)]
    public static partial int cuGraphInstantiateWithFlags(nint* executable, nint graph, ulong flags);

    [LibraryImport(CudaLibraries.Driver)]
    public static partial int cuGraphLaunch(nint executable, nint stream);

    [LibraryImport(CudaLibraries.Driver)]
    public static partial int cuGraphExecDestroy(nint executable);

    [LibraryImport(CudaLibraries.Driver)]
    public static partial int cuGraphDestroy(nint graph);

    [LibraryImport(CudaLibraries.Driver)]
    private static partial int cuGetErrorString(int status, byte** text);
}

/// <summary>What the driver tells about a card; the values are the driver's.</summary>
internal enum CudaDeviceAttribute
{
    MultiprocessorCount = 16,
    L2CacheSize = 38,
    ComputeCapabilityMajor = 75,
    ComputeCapabilityMinor = 76,
    MaximumSharedBytesPerBlock = 97,
}

/// <summary>What the driver tells about a compiled kernel; the values are the driver's.</summary>
internal enum CudaFunctionAttribute
{
    LocalBytes = 3,
    RegistersPerThread = 4,
    MaximumDynamicSharedBytes = 8,
}
