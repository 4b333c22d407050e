using System.Text.Json.Serialization;
using DynConv.Cpu;
using DynConv.Diagnostics;

namespace DynConv.Cli.Commands;

/// <summary>Times matrix products by every backend that the machine has.</summary>
internal static class MatMulReport
{
    private static readonly TimeSpan Budget = TimeSpan.FromMilliseconds(300);

    // Cubes, then the products of a training step (12 sequences of 256 tokens, 384 channels), then one of decoding.
    private static readonly (long M, long N, long K)[] Sizes =
    [
        (256, 256, 256), (512, 512, 512), (1024, 1024, 1024), (2048, 2048, 2048),
        (3072, 1200, 384), (3072, 2064, 384), (3072, 384, 1032), (3072, 257, 384), (1, 1200, 384),
    ];

    public static void Run(CliContext context, string? json)
    {
        bool hasOpenBlas = Blas.OpenBlasInfo.Reason is null;
        context.Out.WriteLine(hasOpenBlas
            ? $"OpenBLAS: {Blas.OpenBlasInfo.Configuration}"
            : $"OpenBLAS not found: {Blas.OpenBlasInfo.Reason}");
        context.Out.WriteLine($"{CpuSettings.Threads} threads, {CpuSettings.VectorBits}-bit vectors, float32, C = A B^T; medians");
        context.Out.WriteLine($"{"M",6} {"N",6} {"K",6} {"managed GFLOP/s",16} {"OpenBLAS GFLOP/s",17} {"ratio",6}");
        var rows = new List<Row>();
        foreach ((long m, long n, long k) in Sizes)
        {
            double managed = Measure(BlasBackend.Managed, m, n, k);
            double? openBlas = hasOpenBlas ? Measure(BlasBackend.OpenBlas, m, n, k) : null;
            rows.Add(new Row(m, n, k, managed, openBlas, managed / openBlas));
            context.Out.WriteLine($"{m,6} {n,6} {k,6} {managed,16:0.0} {openBlas,17:0.0} {managed / openBlas,6:0.00}");
        }

        JsonOutput.Write(json, rows);
    }

    private static double Measure(BlasBackend backend, long m, long n, long k) =>
        2.0 * m * n * k / MatMulBenchmark.Measure(backend, m, n, k, Budget) / 1e9;

    private sealed record Row(
        [property: JsonPropertyName("m")] long M,
        [property: JsonPropertyName("n")] long N,
        [property: JsonPropertyName("k")] long K,
        [property: JsonPropertyName("managed_gflops")] double Managed,
        [property: JsonPropertyName("openblas_gflops")] double? OpenBlas,
        [property: JsonPropertyName("ratio")] double? Ratio);
}
