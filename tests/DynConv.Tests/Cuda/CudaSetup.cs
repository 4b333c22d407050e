using System.Runtime.CompilerServices;

namespace DynConv.Tests.Cuda;

/// <summary>Before anything looks for a card: where there is none, the emulator stands in.</summary>
internal static class CudaSetup
{
    [ModuleInitializer]
    internal static void Prepare() => CudaEmulator.TryPrepare(out _);
}
