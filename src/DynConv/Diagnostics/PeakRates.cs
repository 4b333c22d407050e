namespace DynConv.Diagnostics;

/// <summary>What makers state of their cards.</summary>
public static class PeakRates
{
    // Dense products of bfloat16 summed in float32, in 10¹² operations a second; a longer name goes before a shorter one that
    // it begins like.
    private static readonly (string Name, double TflopPerS)[] Cards =
    [
        ("NVIDIA H100 PCIe", 756),
        ("NVIDIA H100 NVL", 835),
        ("NVIDIA H100", 989),
        ("NVIDIA H200 NVL", 835),
        ("NVIDIA H200", 989),
        ("NVIDIA GH200", 989),
        ("NVIDIA H800 PCIe", 756),
        ("NVIDIA H800", 989),
        ("NVIDIA B200", 2250),
        ("NVIDIA A100", 312),
        ("NVIDIA A800", 312),
        ("NVIDIA L40S", 362),
    ];

    /// <summary>The most that a device is said to do in matrix products: what model FLOPs utilisation is a share of.</summary>
    /// <param name="device">A device.</param>
    /// <param name="dtype">What is computed in.</param>
    /// <returns>In 10¹² operations a second; null where it is not known: other cards than NVIDIA's for servers, and other types than bfloat16.</returns>
    public static double? Of(Device device, DType dtype)
    {
        ArgumentNullException.ThrowIfNull(device);
        return dtype == DType.BFloat16 ? OfCard(device.Name) : null;
    }

    internal static double? OfCard(string name) =>
        Array.Find(Cards, card => name.StartsWith(card.Name, StringComparison.Ordinal)) is { Name: not null } found ? found.TflopPerS : null;
}
