namespace DynConv.Tests;

/// <summary>
/// Where and in which type the op tests run: <c>cpu</c>, and on a machine with an NVIDIA card <c>cuda</c> (float32),
/// <c>cuda bfloat16</c> and <c>cuda mixed</c>: bfloat16 with parameters of float32.
/// </summary>
public static class TestDevices
{
    /// <summary>bfloat16 on a card, with parameters of float32.</summary>
    public const string MixedCuda = "cuda mixed";

    private static readonly bool HasCuda = Device.TryCuda(out _, out _);

    /// <summary>All there are.</summary>
    public static IReadOnlyList<string> All { get; } = HasCuda ? ["cpu", "cuda", "cuda bfloat16", MixedCuda] : ["cpu"];

    /// <summary>
    /// All there are, or those of <c>DYNCONV_TEST_DEVICES</c>, as in <c>cuda,cuda mixed</c>: the float64 references take
    /// minutes of one core, and can be shared out among processes so.
    /// </summary>
    public static IReadOnlyList<string> Names { get; } =
        Environment.GetEnvironmentVariable("DYNCONV_TEST_DEVICES") is { Length: > 0 } wanted
            ? [.. All.Intersect(wanted.Split(','))]
            : All;

    /// <summary>
    /// Whether the card is the emulator, which takes some CPU seconds for what a card does at once: unless
    /// <c>DYNCONV_TEST_EMULATOR=all</c>, the op tests try a choice of their cases on it.
    /// </summary>
    public static bool IsSlow { get; } = HasCuda
        && Device.Cuda().Name.Contains("emulator", StringComparison.OrdinalIgnoreCase)
        && Environment.GetEnvironmentVariable("DYNCONV_TEST_EMULATOR") != "all";

    /// <summary>The devices alone.</summary>
    public static IReadOnlyList<string> Float32Names { get; } = [.. Names.Intersect(["cpu", "cuda"])];

    public static Device Get(string name) => name.Split(' ')[0] switch
    {
        "cpu" => Device.Cpu,
        "cuda" => Device.Cuda(),
        _ => throw new ArgumentOutOfRangeException(nameof(name), name, null),
    };

    /// <summary>The type of an input.</summary>
    public static DType TypeOf(string name, bool isParameter) =>
        name.EndsWith("bfloat16", StringComparison.Ordinal) || (name.EndsWith("mixed", StringComparison.Ordinal) && !isParameter)
            ? DType.BFloat16
            : DType.Float32;
}
