using System.Text.Json.Serialization;
using DynConv.Ops;

namespace DynConv.Diagnostics;

/// <summary>What a device reaches in work that it is best at.</summary>
/// <param name="CopyGbPerS">Copy bandwidth, bytes read and written, in 10⁹ a second.</param>
/// <param name="ProductTflopPerS">A large matrix product's multiplications and additions, in 10¹² a second.</param>
public sealed record DeviceCeilings(
    [property: JsonPropertyName("copy_gb_per_s")] double CopyGbPerS,
    [property: JsonPropertyName("product_tflop_per_s")] double ProductTflopPerS)
{
    private const long CpuProduct = 1024;
    private const long CudaProduct = 8192;
    private const long CpuCopy = 1 << 24;

    private static readonly TimeSpan Budget = TimeSpan.FromMilliseconds(200);

    /// <summary>Measures both.</summary>
    /// <param name="device">Where.</param>
    /// <param name="dtype">Element type of the product.</param>
    public static DeviceCeilings Measure(Device device, DType dtype)
    {
        ArgumentNullException.ThrowIfNull(device);
        double product = ProductRate(device, dtype);
        return new DeviceCeilings(device.IsCuda ? CopyBandwidth.Measure(device) : CopyBandwidth.Measure(CpuCopy, Budget), product);
    }

    internal static double ProductRate(Device device, DType dtype)
    {
        long n = device.IsCuda ? CudaProduct : CpuProduct;
        double operations = 2.0 * n * n * n;
        if (device.IsCuda)
        {
            return operations / MatMulBenchmark.Measure(device, dtype, n, n, n) / 1e12;
        }

        using var scope = new TensorScope();
        var values = new NormalValues();
        Tensor a = values.Tensor([n, n], DType.Float32, device);
        Tensor b = values.Tensor([n, n], DType.Float32, device);
        return operations / Stopwatches.Median(() => MatMul.Linear(a, b).Dispose(), Budget) / 1e12;
    }
}
