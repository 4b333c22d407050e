using System.CommandLine;
using DynConv.Diagnostics;
using DynConv.Models;
using DynConv.Modules;

namespace DynConv.Cli.Commands;

/// <summary>Which shapes <c>bench conv</c> measures: the device's table, with what options change in it.</summary>
internal sealed class ConvolutionTableOptions
{
    private readonly Option<string> _kind = CommonOptions.Choice("--kind", "Only the rows of one kind.", [.. ShortConvolutionKinds.Names]);
    private readonly Option<long?> _batch = CommonOptions.Number<long>("--batch", "B, sequences.", least: 1);
    private readonly Option<long?> _time = CommonOptions.Number<long>("--time", "T, tokens of a sequence.", least: 1);
    private readonly Option<long?> _channels = CommonOptions.Number<long>("--channels", "D.", least: 1);
    private readonly Option<int?> _width = CommonOptions.Number<int>("--width", "W, taps of a filter.", least: 1);
    private readonly Option<long?> _rank = CommonOptions.Number<long>("--rank", "R of the low-rank rows.", least: 1);
    private readonly Option<long?> _headSize = CommonOptions.Number<long>("--head-size", "Channels of a head in the head-wise rows.", least: 1);
    private readonly Option<bool> _residual = new("--residual") { Description = "Add the input to the result, in every row." };
    private readonly Option<string> _dtype =
        CommonOptions.Choice("--dtype", "Type of all tensors. Default bfloat16 on a GPU, float32 on the CPU.", [.. ComputeTypes.Names]);

    private readonly Option<bool> _variants = new("--variants")
    {
        Description = "Also slices of a fused projection, packed sequences, odd lengths and odd numbers of channels.",
    };

    public IEnumerable<Option> All =>
        [_kind, _batch, _time, _channels, _width, _rank, _headSize, _residual, _dtype, _variants];

    public IReadOnlyList<ConvolutionShape> Shapes(ParseResult parsed, Device device)
    {
        string? kind = parsed.GetValue(_kind);
        ConvolutionShape[] rows =
        [
            .. ConvolutionShapes.Of(device)
                .Where(shape => kind is null || shape.Kind.Name() == kind)
                .Select(shape => Changed(shape, parsed, device))
                .Distinct(),
        ];
        return parsed.GetValue(_variants) ? [.. rows, .. ConvolutionShapes.Variants(rows)] : rows;
    }

    private ConvolutionShape Changed(ConvolutionShape shape, ParseResult parsed, Device device)
    {
        ConvolutionShape changed = shape with
        {
            Batch = parsed.GetValue(_batch) ?? shape.Batch,
            Time = parsed.GetValue(_time) ?? shape.Time,
            Channels = parsed.GetValue(_channels) ?? shape.Channels,
            Width = parsed.GetValue(_width) ?? shape.Width,
            Rank = shape.Rank > 0 ? parsed.GetValue(_rank) ?? shape.Rank : 0,
            HeadSize = shape.HeadSize > 0 ? parsed.GetValue(_headSize) ?? shape.HeadSize : 0,
            Residual = shape.Residual || parsed.GetValue(_residual),
            DType = ComputeTypes.Parse(parsed.GetValue(_dtype), device),
        };
        return changed.HeadSize == 0 || changed.Channels % changed.HeadSize == 0 ? changed : throw new UsageException(
            $"Heads of {changed.HeadSize} do not divide {changed.Channels} channels; choose --head-size or --channels.");
    }
}
