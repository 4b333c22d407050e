using System.Diagnostics;
using DynConv.Cuda;

namespace DynConv.Tests.Cuda;

/// <summary>Compiles kernels for cards that need not be there: with clang, and with ptxas where it is installed.</summary>
internal sealed class DeviceCompiler : IDisposable
{
    private readonly string _clang = Tools.DeviceCompiler.OrSkip();
    private readonly string _folder = Directory.CreateTempSubdirectory("dynconv-kernels-").FullName;

    public DeviceCompiler()
    {
        foreach (KeyValuePair<string, string> header in KernelSources.Headers)
        {
            File.WriteAllText(Path.Combine(_folder, header.Key), header.Value);
        }

        foreach (string file in KernelSources.KernelFiles)
        {
            File.WriteAllText(Path.Combine(_folder, file), KernelSources.Text(file));
        }
    }

    /// <summary>Puts another text in the place of a file's.</summary>
    public void Replace(string file, string text) => File.WriteAllText(Path.Combine(_folder, file), text);

    /// <summary>Compiles a file.</summary>
    /// <returns>Null, or what the compilers have against it.</returns>
    public string? Compile(string file, int architecture, IReadOnlyList<string> options)
    {
        string assembly = Path.Combine(_folder, $"{Guid.NewGuid():N}.s");
        string what = $"{file} for sm_{architecture} with {string.Join(' ', options)}";
        try
        {
            // What clang's optimizer could not unroll says nothing about NVRTC's.
            string? complaint = Run(
                _clang,
                [
                    "-x", "cuda", "--cuda-device-only", "-nocudainc", "-nocudalib", "-std=c++17", "-O2", "-S", "-Wall",
                    "-Wno-unknown-cuda-version", "-Wno-pass-failed", $"--cuda-gpu-arch=sm_{architecture}", .. options, file, "-o", assembly,
                ]);
            complaint ??= Tools.DeviceAssembler.IsThere
                ? Run(Tools.DeviceAssembler.Path, [$"-arch=sm_{architecture}", assembly, "-o", "/dev/null"])
                : null;
            return complaint is null ? null : $"{what}: {complaint}";
        }
        finally
        {
            File.Delete(assembly);
        }
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string? Run(string program, IEnumerable<string> arguments)
    {
        using Process process = Process.Start(
            new ProcessStartInfo(program, arguments) { RedirectStandardError = true, WorkingDirectory = _folder })!;
        string messages = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 && messages.Length == 0 ? null : $"{Path.GetFileName(program)} says: {messages}";
    }
}
