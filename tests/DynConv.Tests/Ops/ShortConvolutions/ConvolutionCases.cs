using System.Globalization;
using DynConv.Diagnostics;
using DynConv.Modules;
using DynConv.Ops;

namespace DynConv.Tests.Ops.ShortConvolutions;

/// <summary>One way to call one of the short convolutions, and the naive float64 reference of all.</summary>
public sealed record ConvolutionCase(ShortConvolutionKind Kind, long Batch, long Time, long Channels, int Width)
{
    public bool HasStatic { get; init; } = Kind == ShortConvolutionKind.Static;

    public bool Residual { get; init; }

    public bool HasBias { get; init; }

    public bool HasSilu { get; init; }

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
                ShortConvolutionKind.HeadWise => $" H{Heads}",
                ShortConvolutionKind.LowRank => $" R{Rank}",
                _ => "",
            };
            string packed = CuSeqlens is null
                ? ""
                : $" packed {string.Join("-", CuSeqlens.Select(c => c.ToString(CultureInfo.InvariantCulture)))}";
            return $"{Kind} B{Batch} T{Time} D{Channels} W{Width}{own}{(HasStatic ? " static" : "")}{(Residual ? " residual" : "")}{(HasBias ? " bias" : "")}{(HasSilu ? " silu" : "")}"
                + $"{(HasState ? " state" : "")}{(ReturnsState ? " final" : "")}{packed}";
        }
    }

    public OpCase ToOpCase()
    {
        OpDescription op = OpCatalogue.Find(Kind.Name())!;
        var settings = new Dictionary<string, string>
        {
            ["residual"] = Residual ? "true" : "false",
            ["final_state"] = ReturnsState ? "true" : "false",
            ["activation"] = HasSilu ? "silu" : "none",
        };
        if (CuSeqlens is not null)
        {
            settings["cu_seqlens"] = string.Join(' ', CuSeqlens);
        }

        return OpCase.Of(Name, op, [.. op.Inputs.Select(input => ShapeOf(input.Name))], Reference) with { Settings = settings };
    }

    private Shape? ShapeOf(string input) => input switch
    {
        "x" => [Batch, Time, Channels],
        "weight" => [Batch, Time, Heads, Width],
        "z" => [Batch, Time, Rank],
        "u" => [Rank, Width * Channels],
        "static_w" => HasStatic ? [Width, Channels] : null,
        "bias" => HasBias ? [Channels] : null,
        _ => HasState ? [Sequences, Width - 1, Channels] : null,
    };

    public double[][] Reference(double[][] inputs)
    {
        int next = 1;
        double[]? own = Kind == ShortConvolutionKind.Static ? null : inputs[next++];
        double[]? basis = Kind == ShortConvolutionKind.LowRank ? inputs[next++] : null;
        double[]? constant = HasStatic ? inputs[next++] : null;
        double[]? state = HasState ? inputs[next++] : null;
        double[]? bias = HasBias ? inputs[next] : null;
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

                    sum += bias?[d] ?? 0;
                    y[((start + t) * Channels) + d] = HasSilu ? sum / (1 + Math.Exp(-sum)) : sum;
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
        for (long i = 0; Kind == ShortConvolutionKind.HeadWise && i < filters.Length; i++)
        {
            (long w, long d) = (i / Channels, i % Channels);
            filters[i] += own![(((token * Heads) + (d / (Channels / Heads))) * Width) + w];
        }

        for (long r = 0; Kind == ShortConvolutionKind.LowRank && r < Rank; r++)
        {
            Vectors.AddScaled(own![(token * Rank) + r], basis.AsSpan((int)r * filters.Length, filters.Length), filters);
        }

        return filters;
    }
}
