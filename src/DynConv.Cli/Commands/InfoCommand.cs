using System.CommandLine;
using System.Reflection;
using System.Runtime.InteropServices;
using DynConv.Cpu;
using DynConv.Cuda;

namespace DynConv.Cli.Commands;

/// <summary><c>dynconv info</c></summary>
internal static class InfoCommand
{
    private const string Help = """
        Shows version, processor, devices and native libraries.

        Example:
          dynconv info
        """;

    private const string Missing = "not found";

    public static Command Create(CliContext context)
    {
        var command = new Command("info", Help);
        command.SetAction(_ =>
        {
            foreach ((string name, string value) in Lines())
            {
                context.Out.WriteLine($"{name,-10} {value}");
            }

            return CommandLineApplication.Success;
        });
        return command;
    }

    private static IEnumerable<(string Name, string Value)> Lines()
    {
        yield return ("dynconv", Version());
        yield return (".NET", $"{RuntimeInformation.FrameworkDescription} on {RuntimeInformation.OSDescription.Trim()}, {RuntimeInformation.ProcessArchitecture}");
        yield return ("processor", ProcessorName());
        yield return ("vectors", CpuSettings.VectorBits == 0 ? "none" : $"{CpuSettings.VectorBits} bits");
        yield return ("cores", $"{Environment.ProcessorCount}, {CpuSettings.Threads} threads in use");
        yield return ("memory", $"{GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / (double)(1 << 30):0.0} GiB");
        foreach ((string Name, string Value) line in CudaLines(CudaInfo.Read()))
        {
            yield return line;
        }

        yield return ("OpenBLAS", OpenBlas(Blas.OpenBlasInfo));
        yield return ("products", Blas.Backend == BlasBackend.OpenBlas ? "by OpenBLAS" : "by the managed kernel");
    }

    private static IEnumerable<(string Name, string Value)> CudaLines(CudaInfo cuda)
    {
        yield return ("devices", cuda.Problem is null
            ? string.Join(", ", [Device.Cpu.ToString(), .. cuda.Cards.Where(card => card.IsSupported).Select(card => $"cuda:{card.Index}")])
            : $"{Device.Cpu}; no GPU: {cuda.Problem}");
        foreach (CudaCard card in cuda.Cards)
        {
            yield return ($"cuda:{card.Index}", $"{card.Name}, compute capability {card.ComputeCapability}{(card.IsSupported ? "" : " (too old)")}, {card.MemoryBytes / (double)(1 << 30):0.0} GiB, {card.Multiprocessors} multiprocessors");
        }

        yield return ("driver", cuda.DriverVersion is { } driver ? $"for CUDA {driver}" : Missing);
        yield return ("NVRTC", cuda.CompilerVersion ?? Missing);
        yield return ("cuBLASLt", cuda.ProductsVersion ?? Missing);
        yield return ("kernels", $"{cuda.CacheBytes / (double)(1 << 20):0.0} MiB compiled in {cuda.CacheFolder}");
    }

    private static string Version() =>
        typeof(CpuSettings).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";

    private static string OpenBlas(OpenBlasInfo info) => info.Configuration is null
        ? $"not found: {info.Reason}"
        : $"{info.LibraryPath ?? "(path unknown)"}, {info.Configuration}";

    private static string ProcessorName()
    {
        const string Source = "/proc/cpuinfo";
        const string Key = "model name";
        string? line = File.Exists(Source)
            ? File.ReadLines(Source).FirstOrDefault(line => line.StartsWith(Key, StringComparison.Ordinal))
            : null;
        return line is null
            ? Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER") ?? "unknown"
            : line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim();
    }
}
