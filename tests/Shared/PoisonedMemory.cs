using System.Runtime.CompilerServices;

namespace DynConv.Tests;

/// <summary>Fills every fresh buffer with NaN for the whole test run: a read of unwritten memory shows in a result.</summary>
internal static class PoisonedMemory
{
    /// <summary>Has every pool made from here on begin so; none is there yet.</summary>
    [ModuleInitializer]
    internal static void Begin() => Environment.SetEnvironmentVariable("DYNCONV_POISON", "1");
}
