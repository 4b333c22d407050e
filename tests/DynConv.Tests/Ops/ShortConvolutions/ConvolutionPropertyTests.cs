using DynConv.Modules;
using FsCheck;
using FsCheck.Fluent;

namespace DynConv.Tests.Ops.ShortConvolutions;

/// <summary>Results of random shapes and options against the float64 reference.</summary>
public sealed class ConvolutionPropertyTests
{
    private static readonly Gen<ConvolutionCase> Cases =
        from kind in Gen.Elements(Enum.GetValues<ShortConvolutionKind>())
        from batch in Gen.Choose(1, 4)
        from time in Gen.Choose(1, 50)
        from headSize in Gen.Choose(1, 20)
        from heads in Gen.Choose(1, 9)
        from width in Gen.Choose(1, 16)
        from rank in Gen.Choose(1, 20)
        from flags in Gen.Choose(0, 15)
        from cuts in Gen.Choose(0, time).ListOf(3)
        let packed = (flags & 8) != 0
        select new ConvolutionCase(kind, packed ? 1 : batch, time, headSize * heads, width)
        {
            Heads = heads,
            Rank = rank,
            HasStatic = kind == ShortConvolutionKind.Static || (flags & 1) != 0,
            Residual = (flags & 2) != 0,
            HasState = (flags & 4) != 0,
            ReturnsState = true,
            CuSeqlens = packed ? [0, .. cuts.Order().Select(cut => (long)cut), time] : null,
        };

    [Fact]
    public void Any_shape_and_options_match_the_reference() =>
        Prop.ForAll(Cases.ToArbitrary(), Matches).QuickCheckThrowOnFailure();

    private static bool Matches(ConvolutionCase one)
    {
        var run = new OpRun(one.ToOpCase(), "cpu", seed: 11);
        OpResult got = run.Execute(Layout.Sliced, Layout.Contiguous);
        double[][] wanted = one.Reference(run.Values);
        return got.Outputs.Zip(wanted).All(pair =>
        {
            double limit = 1e-5 * Math.Max(1, pair.Second.Select(Math.Abs).DefaultIfEmpty(0).Max());
            return pair.First.Zip(pair.Second).All(value => Math.Abs(value.First - value.Second) <= limit);
        });
    }
}
