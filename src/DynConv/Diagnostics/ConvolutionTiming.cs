using System.Text.Json.Serialization;

namespace DynConv.Diagnostics;

/// <summary>One row of <see cref="ConvolutionBenchmark"/>.</summary>
/// <param name="Op"><c>static</c>, <c>headwise</c> or <c>lowrank</c>.</param>
/// <param name="Device">Where it ran.</param>
/// <param name="DType">Element type.</param>
/// <param name="Batch">B.</param>
/// <param name="Time">T.</param>
/// <param name="Channels">D.</param>
/// <param name="Width">W.</param>
/// <param name="Rank">R; 0 unless low-rank.</param>
/// <param name="HeadSize">Channels of a head; 0 unless head-wise.</param>
/// <param name="Static">Whether the filter has a static weight.</param>
/// <param name="Residual">Whether the input is added to the result.</param>
/// <param name="ForwardUs">Median time of the forward pass in microseconds.</param>
/// <param name="ForwardBackwardUs">Median time of forward and backward pass, gradients of all inputs.</param>
/// <param name="CopyGbPerS">Copy bandwidth measured next to this row, bytes read and written, in 10⁹ a second.</param>
/// <param name="ForwardShare">Bytes of the forward pass, each tensor once, by its time, as a share of the copy bandwidth.</param>
/// <param name="ForwardBackwardShare">The same of forward and backward pass.</param>
public sealed record ConvolutionTiming(
    [property: JsonPropertyName("op")] string Op,
    [property: JsonPropertyName("device")] string Device,
    [property: JsonPropertyName("dtype")] string DType,
    [property: JsonPropertyName("batch")] long Batch,
    [property: JsonPropertyName("time")] long Time,
    [property: JsonPropertyName("channels")] long Channels,
    [property: JsonPropertyName("width")] int Width,
    [property: JsonPropertyName("rank")] long Rank,
    [property: JsonPropertyName("head_size")] long HeadSize,
    [property: JsonPropertyName("static")] bool Static,
    [property: JsonPropertyName("residual")] bool Residual,
    [property: JsonPropertyName("forward_us")] double ForwardUs,
    [property: JsonPropertyName("forward_backward_us")] double ForwardBackwardUs,
    [property: JsonPropertyName("copy_gb_per_s")] double CopyGbPerS,
    [property: JsonPropertyName("forward_share")] double ForwardShare,
    [property: JsonPropertyName("forward_backward_share")] double ForwardBackwardShare)
{
    /// <summary>What the device calls itself, as in <c>NVIDIA H200</c>.</summary>
    [JsonPropertyName("device_name")]
    public string DeviceName { get; init; } = "";

    /// <summary><c>whole</c>, or <c>slice</c> or <c>packed</c> as <see cref="ConvolutionLayout"/> says.</summary>
    [JsonPropertyName("layout")]
    public string Layout { get; init; } = "";

    /// <summary>Median time of the backward pass alone; null on the CPU, where it is not measured.</summary>
    [JsonPropertyName("backward_us")]
    public double? BackwardUs { get; init; }

    /// <summary>Bytes of the forward pass by its time, in 10⁹ a second.</summary>
    [JsonPropertyName("forward_gb_per_s")]
    public double ForwardGbPerS => ForwardShare * CopyGbPerS;

    /// <summary>The same of forward and backward pass.</summary>
    [JsonPropertyName("forward_backward_gb_per_s")]
    public double ForwardBackwardGbPerS => ForwardBackwardShare * CopyGbPerS;

    /// <summary>What the bytes of the forward pass take at the copy bandwidth, in microseconds.</summary>
    [JsonPropertyName("forward_floor_us")]
    public double ForwardFloorUs => ForwardShare * ForwardUs;

    /// <summary>The same of forward and backward pass.</summary>
    [JsonPropertyName("floor_us")]
    public double FloorUs => ForwardBackwardShare * ForwardBackwardUs;
}
