namespace DynConv.Tests.Cuda;

/// <summary>The card, real or emulated, of tests about cards alone.</summary>
internal static class CudaCard
{
    /// <summary>The card; the test is skipped, and says why, where there is none.</summary>
    public static Device Get()
    {
        bool found = Device.TryCuda(out Device? device, out string? reason);
        Assert.SkipUnless(found, reason ?? "");
        return device!;
    }

    /// <summary>Whether it is the slow stand-in for a card, where a test does a part of its work.</summary>
    public static bool IsEmulated(Device device) => device.Name == "DynConv emulator";
}
