namespace DynConv.Cuda;

/// <summary>Element types as kernels name them.</summary>
internal static class CudaTypes
{
    /// <summary>The type's name in CUDA C++: <c>float</c>, <c>bf16</c>, <c>int</c>.</summary>
    public static string CudaName(this DType dtype) => dtype switch
    {
        DType.Float32 => "float",
        DType.BFloat16 => "bf16",
        _ => "int",
    };
}
