using System.Text.Json.Serialization;
using DynConv.Ops;

namespace DynConv.Diagnostics;

/// <summary>Times ops beside what the device's memory and its matrix products allow.</summary>
public static class OpBenchmark
{
    private const long SmallestCopy = 1 << 18;

    private static readonly TimeSpan Budget = TimeSpan.FromSeconds(1.0 / 3);
    private static readonly TimeSpan CopyBudget = TimeSpan.FromMilliseconds(200);

    // What a bench row has of an op's optional inputs: a static weight, and no state.
    private static readonly string[] Given = [ConvolutionDescription.StaticWeight.Name];

    /// <summary>Measures ops one after the other.</summary>
    /// <param name="device">Where.</param>
    /// <param name="dtype">
    /// Element type of what is not a parameter; parameters are float32, as in training. bfloat16 on a GPU, float32 on the CPU if
    /// not given.
    /// </param>
    /// <param name="ops">Which; all of <see cref="OpCatalogue"/> if not given.</param>
    /// <param name="sizes">Sizes that replace those of each op's own; none if not given.</param>
    /// <param name="budget">How long to repeat each pass of each op; a third of a second if not given.</param>
    /// <returns>
    /// One row an op, as soon as it is measured. On a GPU times are those of the kernels alone, over sets of inputs that no
    /// cache holds.
    /// </returns>
    public static IEnumerable<OpTiming> Run(
        Device device, DType? dtype = null, IEnumerable<OpDescription>? ops = null, OpSizes? sizes = null, TimeSpan? budget = null)
    {
        ArgumentNullException.ThrowIfNull(device);
        DType type = dtype ?? (device.IsCuda ? DType.BFloat16 : DType.Float32);
        OpWorkload[] loads = [.. (ops ?? OpCatalogue.All).Select(op => Load(op, device, type, sizes))];
        return Measure(loads, device, budget ?? Budget);
    }

    private static OpWorkload Load(OpDescription op, Device device, DType dtype, OpSizes? sizes)
    {
        // More than any machine holds; beyond that, counts of elements overflow.
        const double MostBytes = 1L << 50;
        OpSizes usual = device.IsCuda ? op.CudaSizes : op.CpuSizes;
        OpSizes wanted = sizes is null ? usual : usual.With(sizes);
        if (wanted.Letters.FirstOrDefault(letter => wanted[letter] == 0) is { } empty)
        {
            throw new DynConvException($"{op}: {empty}=0 leaves nothing to measure; sizes are at least 1.");
        }

        if (op.Inputs.Concat(op.Results).Max(tensor => wanted.Elements(tensor)) * sizeof(float) > MostBytes)
        {
            throw new DynConvException($"{op}: tensors of {wanted} are larger than any machine's memory.");
        }

        return new OpWorkload(op, wanted, dtype, DType.Float32)
        {
            Optional = [.. op.Inputs.Select(static input => input.Name).Intersect(Given)],
        };
    }

    private static IEnumerable<OpTiming> Measure(OpWorkload[] loads, Device device, TimeSpan budget)
    {
        var values = new NormalValues();
        device.Prepare(() =>
        {
            foreach (OpWorkload load in loads)
            {
                using var work = new OpWork(load, values, device);
                work.ForwardBackward();
            }
        });
        double product = DeviceCeilings.ProductRate(device, loads.FirstOrDefault()?.DType ?? DType.Float32);
        double copy = device.IsCuda ? CopyBandwidth.Measure(device) : 0;
        using var timer = new OpTimer(device, values, budget);
        foreach (OpWorkload load in loads)
        {
            if (!device.IsCuda)
            {
                copy = CopyBandwidth.Measure(Math.Max(load.InputBytes / sizeof(float) / 2, SmallestCopy), CopyBudget);
            }

            yield return Row(load, device, timer.Measure(load), copy, product);
        }
    }

    private static OpTiming Row(OpWorkload load, Device device, PassTimes times, double copy, double product)
    {
        double Floor(double bytes, double operations) => Math.Max(bytes / copy / 1e9, operations / product / 1e12) * 1e6;

        (PassCosts bytes, PassCosts operations) = (load.Bytes, load.Operations);
        return new OpTiming(
            load.Op.Name,
            load.Sizes.ToString(),
            device.ToString(),
            device.Name,
            load.DType.Name(),
            times.Forward * 1e6,
            times.Backward * 1e6,
            load.Op.HasGradient ? times.ForwardBackward * 1e6 : null,
            Floor(bytes.Forward, operations.Forward),
            load.Op.HasGradient ? Floor(bytes.Forward, operations.Forward) + Floor(bytes.Backward, operations.Backward) : null,
            operations.Total / product / 1e3 > bytes.Total / copy ? "arithmetic" : "memory",
            copy,
            product);
    }
}

/// <summary>One row of <see cref="OpBenchmark"/>.</summary>
/// <param name="Op">The op's name.</param>
/// <param name="Sizes">Sizes of the letters that its dimensions are written in.</param>
/// <param name="Device">Where it ran.</param>
/// <param name="DeviceName">What the device calls itself.</param>
/// <param name="DType">Element type of what is not a parameter.</param>
/// <param name="ForwardUs">Median time of the forward pass in microseconds.</param>
/// <param name="BackwardUs">That of the backward pass alone; null on the CPU, where it is not measured, and without one.</param>
/// <param name="ForwardBackwardUs">That of both, gradients of all inputs; null for an op without gradients.</param>
/// <param name="ForwardFloorUs">
/// What the forward pass takes at least, about: its bytes, each tensor once, at the copy bandwidth, or its multiplications and
/// additions at the rate of a large matrix product, whichever takes longer. Memory is read faster than it is copied, so that an
/// op which writes little can be a little faster.
/// </param>
/// <param name="ForwardBackwardFloorUs">The same of both passes.</param>
/// <param name="Bound">Which of the two takes longer, over both passes: <c>memory</c> or <c>arithmetic</c>.</param>
/// <param name="CopyGbPerS">Copy bandwidth measured in the same run, bytes read and written, in 10⁹ a second.</param>
/// <param name="ProductTflopPerS">A large matrix product's rate measured in the same run, in 10¹² a second.</param>
public sealed record OpTiming(
    [property: JsonPropertyName("op")] string Op,
    [property: JsonPropertyName("sizes")] string Sizes,
    [property: JsonPropertyName("device")] string Device,
    [property: JsonPropertyName("device_name")] string DeviceName,
    [property: JsonPropertyName("dtype")] string DType,
    [property: JsonPropertyName("forward_us")] double ForwardUs,
    [property: JsonPropertyName("backward_us")] double? BackwardUs,
    [property: JsonPropertyName("forward_backward_us")] double? ForwardBackwardUs,
    [property: JsonPropertyName("forward_floor_us")] double ForwardFloorUs,
    [property: JsonPropertyName("forward_backward_floor_us")] double? ForwardBackwardFloorUs,
    [property: JsonPropertyName("bound")] string Bound,
    [property: JsonPropertyName("copy_gb_per_s")] double CopyGbPerS,
    [property: JsonPropertyName("product_tflop_per_s")] double ProductTflopPerS)
{
    /// <summary>The floor of the forward pass as a share of its time.</summary>
    [JsonPropertyName("forward_share")]
    public double ForwardShare => ForwardFloorUs / ForwardUs;

    /// <summary>The same of both passes.</summary>
    [JsonPropertyName("forward_backward_share")]
    public double? ForwardBackwardShare => ForwardBackwardFloorUs / ForwardBackwardUs;
}
