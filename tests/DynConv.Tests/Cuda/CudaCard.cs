namespace DynConv.Tests.Cuda;

/// <summary>The card, real or emulated, of tests about cards alone.</summary>
internal static class CudaCard
{
    /// <summary>The card; the test is skipped, and says why, where there is none and no emulator either.</summary>
    public static Device Get()
    {
        bool found = Device.TryCuda(out Device? device, out string? reason);
        CudaEmulator.TryPrepare(out string? obstacle);
        Assert.SkipUnless(found, $"{reason} The emulator is not there in its place: {obstacle}.");
        return device!;
    }

    /// <summary>Whether it is the slow stand-in for a card, where a test does a part of its work.</summary>
    public static bool IsEmulated(Device device) => device.Name == "DynConv emulator";
}
