using System.CommandLine;
using System.Reflection;
using System.Runtime.InteropServices;
using DynConv.Cpu;

namespace DynConv.Cli.Commands;

/// <summary><c>dynconv info</c></summary>
internal static class InfoCommand
{
    private const string Help = """
        Shows version, processor, devices and native libraries.

        Example:
          dynconv info
        """;

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
        yield return ("devices", Device.Cpu.ToString());
        yield return ("OpenBLAS", OpenBlas(Blas.OpenBlasInfo));
        yield return ("products", Blas.Backend == BlasBackend.OpenBlas ? "by OpenBLAS" : "by the managed kernel");
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
