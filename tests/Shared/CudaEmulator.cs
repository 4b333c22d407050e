using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace DynConv.Tests;

/// <summary>
/// The CUDA card of machines that have none: builds <c>tests/CudaEmulator</c> at first use, and has the library take it
/// for NVIDIA's. <c>DYNCONV_TEST_EMULATOR=0</c> leaves it out.
/// </summary>
public static class CudaEmulator
{
    private const string LibrariesVariable = "DYNCONV_CUDA_LIBRARIES";
    private const string WantedVariable = "DYNCONV_TEST_EMULATOR";
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private static readonly Lazy<string?> Obstacle = new(Prepare);

    /// <summary>The folder of the emulator's sources.</summary>
    public static string SourceFolder => Path.Combine(Repository.Folder, "tests", "CudaEmulator");

    /// <summary>
    /// Sets <c>DYNCONV_CUDA_LIBRARIES</c> for this process to the emulator. To be called before the library first
    /// looks for CUDA; later calls give the first one's answer.
    /// </summary>
    /// <param name="reason">Why the emulator is not used: there is a card, or no compiler.</param>
    public static bool TryPrepare(out string? reason)
    {
        reason = Obstacle.Value;
        return reason is null;
    }

    private static string? Prepare()
    {
        if (!string.IsNullOrEmpty(Environment.GetEnvironmentVariable(LibrariesVariable)))
        {
            return $"{LibrariesVariable} names libraries already";
        }

        if (Environment.GetEnvironmentVariable(WantedVariable) == "0")
        {
            return $"{WantedVariable} is 0";
        }

        if (!OperatingSystem.IsLinux()
            || RuntimeInformation.OSArchitecture is not (Architecture.X64 or Architecture.Arm64))
        {
            return "the emulator runs on Linux, x86-64 or arm64";
        }

        if (HasCard())
        {
            return "there is a card";
        }

        if (!Tools.Compiler.IsThere)
        {
            return Tools.Compiler.Missing;
        }

        string folder = FolderOf(HashOfBuild(Tools.Compiler.Path));
        if (!File.Exists(Path.Combine(folder, "libcuda.so.1")) && !TryBuild(Tools.Compiler.Path, folder, out string? reason))
        {
            return reason;
        }

        Environment.SetEnvironmentVariable(LibrariesVariable, folder);
        return null;
    }

    private static unsafe bool HasCard()
    {
        // Where the library looks too: it would find a card there that the loader's own folders do not show.
        string[] places = ["libcuda.so.1", "/usr/local/cuda/lib64/libcuda.so.1", "/usr/local/nvidia/lib64/libcuda.so.1"];
        nint driver = 0;
        if (!Array.Exists(places, place => NativeLibrary.TryLoad(place, out driver)))
        {
            return false;
        }

        var start = (delegate* unmanaged<uint, int>)NativeLibrary.GetExport(driver, "cuInit");
        var count = (delegate* unmanaged<int*, int>)NativeLibrary.GetExport(driver, "cuDeviceGetCount");
        int cards;
        return start(0) == 0 && count(&cards) == 0 && cards > 0;
    }

    /// <summary>Of all that a build depends on: compilers do not share one, nor does one with what it was before an upgrade.</summary>
    private static string HashOfBuild(string compiler)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes($"{compiler} {VersionOf(compiler)}"));
        string[] files = Directory.GetFiles(SourceFolder, "*", SearchOption.AllDirectories);
        foreach (string file in files.Order(StringComparer.Ordinal))
        {
            hash.AppendData(Encoding.UTF8.GetBytes(Path.GetFileName(file)));
            hash.AppendData(File.ReadAllBytes(file));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset())[..16];
    }

    private static string VersionOf(string compiler)
    {
        using Process process = Process.Start(
            new ProcessStartInfo(compiler, ["--version"]) { RedirectStandardOutput = true })!;
        return process.StandardOutput.ReadToEnd();
    }

    private static string FolderOf(string hash) =>
        Path.Combine(Path.GetTempPath(), $"dynconv-cuda-emulator-{Environment.UserName}", hash);

    /// <summary>Builds next to the folder and renames, so that of several processes the first one counts.</summary>
    private static bool TryBuild(string compiler, string folder, out string? reason)
    {
        string unfinished = $"{folder}.{Environment.ProcessId}";
        if (OperatingSystem.IsLinux())
        {
            Directory.CreateDirectory(Path.GetDirectoryName(folder)!, OwnerOnly);
        }

        string[] arguments = [Path.Combine(SourceFolder, "build"), unfinished];
        var start = new ProcessStartInfo("bash", arguments) { RedirectStandardError = true };
        start.Environment["CXX"] = compiler;
        using (Process build = Process.Start(start)!)
        {
            string messages = build.StandardError.ReadToEnd();
            build.WaitForExit();
            if (build.ExitCode != 0)
            {
                reason = $"the emulator does not build: {messages}";
                return false;
            }
        }

        try
        {
            Directory.Move(unfinished, folder);
        }
        catch (IOException) when (Directory.Exists(folder))
        {
            Directory.Delete(unfinished, recursive: true);
        }

        reason = null;
        return true;
    }
}
