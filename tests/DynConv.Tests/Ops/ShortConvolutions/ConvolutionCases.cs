using System.Globalization;
using DynConv.Ops;

namespace DynConv.Tests.Ops.ShortConvolutions;

/// <summary>The three kinds of filter.</summary>
public enum FilterKind
{
    Static,
    HeadWise,
    LowRank,
}

/// <summary>One way to call one of the short convolutions, and the naive float64 reference of all.</summary>
public sealed record ConvolutionCase(FilterKind Kind, long Batch, long Time, long Channels, int Width)
{
    // One object for all runs of the case, since a card keeps its copy of the bounds as long as the object lives.
    private PackedSequences? _packed;

    public bool HasStatic { get; init; } = Kind == FilterKind.Static;

    public bool Residual { get; init; }

    public bool HasState { get; init; }

    /// <summary>Whether the final state is a second result.</summary>
    public bool ReturnsState { get; init; }

    public long Heads { get; init; } = 1;

    public long Rank { get; init; } = 1;

    public long[]? CuSeqlens { get; init; }

    private long Sequences => CuSeqlens is null ? Batch : CuSeqlens.Length - 1;

    public string Name
    {
        get
        {
            string own = Kind switch
            {
                FilterKind.HeadWise => $" H{Heads}",
                FilterKind.LowRank => $" R{Rank}",
                _ => "",
            };
            string packed = CuSeqlens is null
                ? ""
                : $" packed {string.Join("-", CuSeqlens.Select(c => c.ToString(CultureInfo.InvariantCulture)))}";
            return $"{Kind} B{Batch} T{Time} D{Channels} W{Width}{own}{(HasStatic ? " static" : "")}{(Residual ? " residual" : "")}"
                + $"{(HasState ? " state" : "")}{(ReturnsState ? " final" : "")}{packed}";
        }
    }

    /// <summary>In this order: x, filters of the kind, static weight, initial state.</summary>
    public OpInput[] Inputs
    {
        get
        {
            List<OpInput> inputs = [new("x", [Batch, Time, Channels])];
            if (Kind == FilterKind.HeadWise)
            {
                inputs.Add(new("weight", [Batch, Time, Heads, Width]));
            }

            if (Kind == FilterKind.LowRank)
            {
                inputs.Add(new("z", [Batch, Time, Rank]));
                inputs.Add(new("u", [Rank, Width * Channels]) { IsParameter = true });
            }

            if (HasStatic)
            {
                inputs.Add(new("s", [Width, Channels]) { IsParameter = true });
            }

            if (HasState)
            {
                inputs.Add(new("state", [Sequences, Width - 1, Channels]));
            }

            return [.. inputs];
        }
    }

    public OpCase ToOpCase() => new(Name, Inputs, Run, Reference);

    public Tensor[] Run(Tensor[] inputs)
    {
        int next = 1;
        Tensor? own = Kind == FilterKind.Static ? null : inputs[next++];
        Tensor? basis = Kind == FilterKind.LowRank ? inputs[next++] : null;
        Tensor? constant = HasStatic ? inputs[next++] : null;
        var options = new ShortConvolutionOptions
        {
            Residual = Residual,
            InitialState = HasState ? inputs[next] : null,
            Packed = CuSeqlens is null ? null : _packed ??= new PackedSequences(CuSeqlens),
        };
        if (!ReturnsState)
        {
            return [Kind switch
            {
                FilterKind.Static => StaticConvolution.Apply(inputs[0], constant!, options),
                FilterKind.HeadWise => HeadWiseConvolution.Apply(inputs[0], own!, constant, options),
                _ => LowRankConvolution.Apply(inputs[0], own!, basis!, constant, options),
            }];
        }

        (Tensor y, Tensor final) = Kind switch
        {
            FilterKind.Static => StaticConvolution.ApplyWithState(inputs[0], constant!, options),
            FilterKind.HeadWise => HeadWiseConvolution.ApplyWithState(inputs[0], own!, constant, options),
            _ => LowRankConvolution.ApplyWithState(inputs[0], own!, basis!, constant, options),
        };
        return [y, final];
    }

    public double[][] Reference(double[][] inputs)
    {
        int next = 1;
        double[]? own = Kind == FilterKind.Static ? null : inputs[next++];
        double[]? basis = Kind == FilterKind.LowRank ? inputs[next++] : null;
        double[]? constant = HasStatic ? inputs[next++] : null;
        double[]? state = HasState ? inputs[next] : null;
        double[] x = inputs[0];
        var y = new double[x.Length];
        var final = new double[Sequences * (Width - 1) * Channels];
        for (long n = 0; n < Sequences; n++)
        {
            long start = CuSeqlens?[n] ?? n * Time;
            long length = (CuSeqlens?[n + 1] ?? (n + 1) * Time) - start;
            double Past(long t, long d) =>
                t >= 0 ? x[((start + t) * Channels) + d]
                : state is null ? 0
                : state[(((n * (Width - 1)) + Width - 1 + t) * Channels) + d];

            for (long t = 0; t < length; t++)
            {
                double[] filters = FiltersOf(start + t, own, basis, constant);
                for (long d = 0; d < Channels; d++)
                {
                    double sum = Residual ? Past(t, d) : 0;
                    for (int w = 0; w < Width; w++)
                    {
                        sum += filters[(w * Channels) + d] * Past(t - w, d);
                    }

                    y[((start + t) * Channels) + d] = sum;
                }
            }

            for (long d = 0; d < Channels; d++)
            {
                for (long j = 0; j < Width - 1; j++)
                {
                    final[(((n * (Width - 1)) + j) * Channels) + d] = Past(length - (Width - 1) + j, d);
                }
            }
        }

        return ReturnsState ? [y, final] : [y];
    }

    /// <summary>The filters of a token, [width, channels].</summary>
    private double[] FiltersOf(long token, double[]? own, double[]? basis, double[]? constant)
    {
        var filters = new double[Width * Channels];
        constant?.CopyTo(filters, 0);
        for (long i = 0; Kind == FilterKind.HeadWise && i < filters.Length; i++)
        {
            (long w, long d) = (i / Channels, i % Channels);
            filters[i] += own![(((token * Heads) + (d / (Channels / Heads))) * Width) + w];
        }

        for (long r = 0; Kind == FilterKind.LowRank && r < Rank; r++)
        {
            Vectors.AddScaled(own![(token * Rank) + r], basis.AsSpan((int)r * filters.Length, filters.Length), filters);
        }

        return filters;
    }
}
