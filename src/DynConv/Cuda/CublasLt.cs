using System.Runtime.InteropServices;

namespace DynConv.Cuda;

/// <summary>The functions of cuBLASLt that are used here, by the names of its documentation.</summary>
internal static unsafe partial class CublasLt
{
    /// <summary>The status of a product that the library cannot compute.</summary>
    public const int NotSupported = 15;

    static CublasLt() => CudaLibraries.Register();

    /// <summary>Throws one sentence if cuBLASLt reports a failure.</summary>
    public static void Check(int status, string what)
    {
        if (status != 0)
        {
            throw new DynConvException($"cuBLASLt: {what} failed: {Describe(status)}.");
        }
    }

    /// <summary>The library's name of a status.</summary>
    public static string Describe(int status) =>
        Marshal.PtrToStringUTF8((nint)cublasLtGetStatusString(status)) ?? $"status {status}";

    [LibraryImport(CudaLibraries.CublasLt)]
    public static partial byte* cublasLtGetStatusString(int status);

    [LibraryImport(CudaLibraries.CublasLt)]
    public static partial nuint cublasLtGetVersion();

    [LibraryImport(CudaLibraries.CublasLt)]
    public static partial int cublasLtCreate(nint* handle);

    [LibraryImport(CudaLibraries.CublasLt)]
    public static partial int cublasLtMatmulDescCreate(nint* description, int computeType, CublasLtType scaleType);

    [LibraryImport(CudaLibraries.CublasLt)]
    public static partial int cublasLtMatmulDescSetAttribute(
        nint description, CublasLtProductAttribute attribute, void* value, nuint bytes);

    [LibraryImport(CudaLibraries.CublasLt)]
    public static partial int cublasLtMatrixLayoutCreate(nint* layout, CublasLtType type, ulong rows, ulong columns, long stride);

    [LibraryImport(CudaLibraries.CublasLt)]
    public static partial int cublasLtMatrixLayoutSetAttribute(
        nint layout, CublasLtLayoutAttribute attribute, void* value, nuint bytes);

    [LibraryImport(CudaLibraries.CublasLt)]
    public static partial int cublasLtMatmulPreferenceCreate(nint* preference);

    [LibraryImport(CudaLibraries.CublasLt)]
    public static partial int cublasLtMatmulPreferenceSetAttribute(
        nint preference, CublasLtPreferenceAttribute attribute, void* value, nuint bytes);

    [LibraryImport(CudaLibraries.CublasLt)]
    public static partial int cublasLtMatmulPreferenceDestroy(nint preference);

    [LibraryImport(CudaLibraries.CublasLt)]
    public static partial int cublasLtMatmulAlgoGetHeuristic(
        nint handle,
        nint description,
        nint a,
        nint b,
        nint c,
        nint d,
        nint preference,
        int asked,
        CublasLtChoice* choices,
        int* found);

    [LibraryImport(CudaLibraries.CublasLt)]
    public static partial int cublasLtMatmulAlgoConfigGetAttribute(
        CublasLtAlgorithm* algorithm, CublasLtAlgorithmAttribute attribute, void* value, nuint bytes, nuint* written);

    [LibraryImport(CudaLibraries.CublasLt)]
    public static partial int cublasLtMatmul(
        nint handle,
        nint description,
        float* alpha,
        nint a,
        nint aLayout,
        nint b,
        nint bLayout,
        float* beta,
        nint c,
        nint cLayout,
        nint d,
        nint dLayout,
        CublasLtAlgorithm* algorithm,
        nint workspace,
        nuint workspaceBytes,
        nint stream);
}

/// <summary>Element types; the values are the library's.</summary>
internal enum CublasLtType
{
    Float32 = 0,
    BFloat16 = 14,
}

/// <summary>Attributes of a product; the values are the library's.</summary>
internal enum CublasLtProductAttribute
{
    TransposeA = 3,
    TransposeB = 4,
}

/// <summary>Attributes of a matrix; the values are the library's.</summary>
internal enum CublasLtLayoutAttribute
{
    BatchCount = 5,
    BatchStride = 6,
}

/// <summary>What may be asked of an algorithm; the values are the library's.</summary>
internal enum CublasLtPreferenceAttribute
{
    MaximumWorkspaceBytes = 1,
    ReductionSchemes = 3,
    AlignmentOfA = 5,
    AlignmentOfB = 6,
    AlignmentOfC = 7,
    AlignmentOfD = 8,
}

/// <summary>What an algorithm can be asked about itself; the values are the library's.</summary>
internal enum CublasLtAlgorithmAttribute
{
    ReductionScheme = 3,
}

/// <summary>How an algorithm adds up the parts of sums that it splits; the values are the library's.</summary>
internal enum CublasLtReductionScheme
{
    /// <summary>It splits none.</summary>
    None = 0,

    /// <summary>In the result's memory, as the parts come.</summary>
    InPlace = 1,

    /// <summary>Float32 parts, by a second kernel.</summary>
    ComputeType = 2,
}

/// <summary>How a product is computed: opaque to us.</summary>
[System.Runtime.CompilerServices.InlineArray(8)]
internal struct CublasLtAlgorithm
{
    private ulong _first;
}

/// <summary>One answer of the library's heuristic.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct CublasLtChoice
{
    public CublasLtAlgorithm Algorithm;
    public nuint WorkspaceBytes;
    public int State;
    public float Waves;
    private readonly long _reserved1;
    private readonly long _reserved2;
}
