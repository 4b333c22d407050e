using System.Text.RegularExpressions;

namespace DynConv.Packages.Tests;

/// <summary>What came of running a program.</summary>
internal sealed partial record ProgramRun(string Command, int ExitCode, string Output, string Error)
{
    /// <summary>What it wrote, if it ended well; otherwise the test fails with all that it said.</summary>
    public string Succeeded()
    {
        Assert.True(ExitCode == 0, $"{Command} ended with {ExitCode}:\n{Output}\n{Error}");
        return Output;
    }

    /// <summary>The same, but the test is skipped where other people's packages are out of reach.</summary>
    public string SucceededOrSkip()
    {
        if (ExitCode != 0 && OutOfReach().Match(Output) is { Success: true } reason)
        {
            Assert.Skip($"other people's packages are out of reach: {reason.Value}");
        }

        return Succeeded();
    }

    // The source cannot be reached, or it does not have a package or this version of it.
    [GeneratedRegex(@"NU1301: .*|NU110[12]: Unable to find package (?!DynConv).*")]
    private static partial Regex OutOfReach();
}
