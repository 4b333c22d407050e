using DynConv.Tests;

namespace DynConv.Training.Tests.Data;

/// <summary>Small files that once failed.</summary>
internal static class Cases
{
    public static string Data(string name) =>
        Path.Combine(Repository.Folder, "tests", "DynConv.Training.Tests", "cases", "data", name);
}
