namespace DynConv.Tests;

/// <summary>The devices that this machine has; every op test runs on each.</summary>
public static class TestDevices
{
    public static IReadOnlyList<string> Names { get; } = ["cpu"];

    public static Device Get(string name) => name switch
    {
        "cpu" => Device.Cpu,
        _ => throw new ArgumentOutOfRangeException(nameof(name), name, null),
    };
}
