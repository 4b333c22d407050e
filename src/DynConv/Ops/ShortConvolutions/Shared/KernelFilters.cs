using System.Runtime.InteropServices;
using DynConv.Cuda;

namespace DynConv.Ops;

/// <summary><c>LearnedFilters</c> of convolution_filters.cuh: the learned filters U.</summary>
[StructLayout(LayoutKind.Sequential)]
[CudaStruct("convolution_filters.cuh", "LearnedFilters")]
internal readonly struct KernelLearnedFilters(Tensor? u)
{
    private readonly nint _u = u?.Address ?? 0;
    private readonly long _stride = u?.Strides[0] ?? 0;
    private readonly long _rank = u?.Shape[0] ?? 0;
}

/// <summary><c>StaticWeight</c> of convolution_filters.cuh: the static weight s and the residual.</summary>
[StructLayout(LayoutKind.Sequential)]
[CudaStruct("convolution_filters.cuh", "StaticWeight")]
internal readonly struct KernelStaticWeight(Tensor? s, bool residual)
{
    private readonly nint _s = s?.Address ?? 0;
    private readonly long _stride = s?.Strides[0] ?? 0;
    private readonly long _residual = residual ? 1 : 0;
}

/// <summary><c>TokenFilters</c> of convolution_filters.cuh: filters of any kind, null for what a kind does not have.</summary>
[StructLayout(LayoutKind.Sequential)]
[CudaStruct("convolution_filters.cuh", "TokenFilters")]
internal readonly struct KernelTokenFilters(ConvolutionInputs inputs, Tensor? heads, Tensor? z, Tensor? u)
{
    private readonly KernelRows _heads = new(heads);
    private readonly KernelRows _z = new(z);
    private readonly KernelLearnedFilters _learned = new(u);
    private readonly KernelStaticWeight _staticWeight = new(inputs.StaticWeight, inputs.Residual);
    private readonly long _channels = inputs.Channels;
    private readonly long _headSize = heads is null ? 1 : inputs.Channels / heads.Shape[2];

    /// <summary>The macros of convolution_filters.cuh.</summary>
    public static (string Name, object Value)[] Macros(ConvolutionTypes types) =>
    [
        ("ELEMENT", types.Element.CudaName()),
        ("WEIGHT", types.Learned.CudaName()),
        ("STATIC_WEIGHT", types.Static.CudaName()),
        ("WIDTH", types.Width),
    ];
}

/// <summary>What kernels that take filters of any kind are compiled for; a type that does not matter is that of another.</summary>
internal readonly record struct ConvolutionTypes(DType Element, DType Learned, DType Static, int Width)
{
    public static ConvolutionTypes Of(ConvolutionInputs inputs, Tensor? learned)
    {
        DType? fixedType = inputs.StaticWeight?.DType;
        return new(
            inputs.X.DType,
            learned?.DType ?? fixedType ?? DType.Float32,
            fixedType ?? learned?.DType ?? DType.Float32,
            inputs.Width);
    }
}
