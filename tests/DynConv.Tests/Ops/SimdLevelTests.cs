using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using DynConv.Cpu;

namespace DynConv.Tests.Ops;

/// <summary>
/// Reruns tests of vector kernels in child processes in which the wider vectors are switched off, by this library's own
/// variable and in the runtime itself.
/// </summary>
public sealed partial class SimdLevelTests
{
    private const string ExpectedLevel = "DYNCONV_TEST_EXPECTED_SIMD";

    /// <summary>Test classes that every level reruns.</summary>
    private static readonly string[] Classes = ["DynConv.Tests.Ops.ShortConvolutions.ConvolutionLoopTests"];

    [Fact]
    public void The_level_is_the_one_that_the_environment_asks_for()
    {
        string? expected = Environment.GetEnvironmentVariable(ExpectedLevel);
        Assert.SkipWhen(expected is null, "Only means something in a child process of these tests.");
        Assert.Equal(expected, Simd.Level.ToString());
    }

    [Theory]
    [InlineData("DYNCONV_SIMD", "512", nameof(SimdLevel.Vector512))]
    [InlineData("DYNCONV_SIMD", "256", nameof(SimdLevel.Vector256))]
    [InlineData("DYNCONV_SIMD", "128", nameof(SimdLevel.Vector128))]
    [InlineData("DYNCONV_SIMD", "scalar", nameof(SimdLevel.Scalar))]
    [InlineData("DOTNET_EnableAVX512", "0", nameof(SimdLevel.Vector256))]
    [InlineData("DOTNET_EnableAVX2", "0", nameof(SimdLevel.Vector128))]
    [InlineData("DOTNET_EnableHWIntrinsic", "0", nameof(SimdLevel.Scalar))]
    public void Kernels_pass_their_tests_at_every_vector_width(string variable, string value, string level)
    {
        Assert.SkipWhen(Environment.GetEnvironmentVariable(ExpectedLevel) is not null, "This is a child process already.");
        Assert.SkipWhen(
            Enum.Parse<SimdLevel>(level) > Simd.Level, $"This machine or its settings offer no more than {Simd.Level}.");
        (int exitCode, string output) = RunTests(variable, value, level);
        Match summary = Summary().Match(output);
        Assert.True(exitCode == 0 && summary.Success, output);

        // The child ran the level's own test and the kernels' tests, and skipped nothing but the tests that start children.
        Assert.True(int.Parse(summary.Groups["total"].Value, CultureInfo.InvariantCulture) > 8 + (5 * Classes.Length), output);
        Assert.Equal("7", summary.Groups["skipped"].Value);
    }

    private static (int ExitCode, string Output) RunTests(string variable, string value, string level)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        if (Path.GetFileNameWithoutExtension(start.FileName) == "dotnet")
        {
            start.ArgumentList.Add(typeof(SimdLevelTests).Assembly.Location);
        }

        foreach (string name in Classes.Append(typeof(SimdLevelTests).FullName!))
        {
            start.ArgumentList.Add("-class");
            start.ArgumentList.Add(name);
        }

        start.Environment[variable] = value;
        start.Environment[ExpectedLevel] = level;

        // A card has no such levels.
        start.Environment["DYNCONV_TEST_DEVICES"] = "cpu";
        using Process child = Process.Start(start)!;
        Task<string> errors = child.StandardError.ReadToEndAsync();
        string output = child.StandardOutput.ReadToEnd();
        child.WaitForExit();
        return (child.ExitCode, output + errors.Result);
    }

    [GeneratedRegex(@"Total: (?<total>\d+), Errors: 0, Failed: 0, Skipped: (?<skipped>\d+)")]
    private static partial Regex Summary();
}
