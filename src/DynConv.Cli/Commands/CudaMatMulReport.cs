using System.Text.Json.Serialization;
using DynConv.Cuda;
using DynConv.Diagnostics;

namespace DynConv.Cli.Commands;

/// <summary>Times matrix products on a GPU.</summary>
internal static class CudaMatMulReport
{
    // A cube as the card's ceiling, then the products of a training step of the 300m preset with 4 sequences of 4,096
    // tokens: q, k and v at once, attention's output, gate and up at once, down, and the vocabulary.
    private static readonly (string Name, long M, long N, long K)[] Sizes =
    [
        ("cube", 8192, 8192, 8192),
        ("q, k, v", 16384, 3072, 1024),
        ("attention output", 16384, 1024, 1024),
        ("gate, up", 16384, 5504, 1024),
        ("down", 16384, 1024, 2752),
        ("vocabulary", 16384, 100352, 1024),
    ];

    public static void Run(CliContext context, Device device, string? json)
    {
        context.Out.WriteLine($"{device.Name}, cuBLASLt {CudaInfo.Read().ProductsVersion}; C = A B^T, bfloat16; kernel time, medians");
        context.Out.WriteLine($"{"",-18}{"M",6} {"N",6} {"K",6} {"us",9} {"TFLOP/s",8}");
        var rows = new List<Row>();
        foreach ((string name, long m, long n, long k) in Sizes)
        {
            double seconds = MatMulBenchmark.Measure(device, DType.BFloat16, m, n, k);
            var row = new Row(device.Name, DType.BFloat16.Name(), m, n, k, seconds * 1e6, 2.0 * m * n * k / seconds / 1e12);
            rows.Add(row);
            context.Out.WriteLine($"{name,-18}{m,6} {n,6} {k,6} {row.Us,9:N1} {row.Tflops,8:0}");
        }

        JsonOutput.Write(json, rows);
    }

    private sealed record Row(
        [property: JsonPropertyName("device_name")] string DeviceName,
        [property: JsonPropertyName("dtype")] string DType,
        [property: JsonPropertyName("m")] long M,
        [property: JsonPropertyName("n")] long N,
        [property: JsonPropertyName("k")] long K,
        [property: JsonPropertyName("us")] double Us,
        [property: JsonPropertyName("tflops")] double Tflops);
}
