using DynConv.Models.Layers;
using DynConv.Modules;

namespace DynConv.Models.Tests.Configuration;

public sealed class FlopCountsTests
{
    private const int Context = 8;

    private static readonly ModelConfiguration Plain = new()
    {
        VocabularySize = 10,
        HiddenSize = 4,
        MaxPositions = Context,
        Layers = LayerConfiguration.Repeat(
            3,
            new AttentionConfiguration { Heads = 4, KeyValueHeads = 2, HeadDimension = 2 },
            new FeedForwardConfiguration { IntermediateSize = 6 }),
    };

    [Fact]
    public void A_plain_model_counted_by_hand()
    {
        // 8 query channels, 4 key and 4 value channels, 8 x 4 back: 4·8 + 4·4 + 4·4 + 8·4 = 96 products.
        Assert.Equal(3 * 2 * 96, Part(Plain, "attention projections"));

        // Scores and mixture of 8 tokens: 2 products x 2 operations x 8 channels x 8²/2 pairs = 1024 a sequence, 128 a token.
        Assert.Equal(3 * 128, Part(Plain, "attention"));

        // Gate, up and down: 3 · 4 · 6 = 72 products.
        Assert.Equal(3 * 2 * 72, Part(Plain, "feed-forward"));
        Assert.Equal(2 * 4 * 10, Part(Plain, "output"));
        FlopCounts counts = FlopCounts.Of(Plain, Context);
        Assert.Equal(576 + 384 + 432 + 80, counts.Forward);
        Assert.Equal(3 * 1472, counts.Training);
    }

    [Theory]
    // Three taps on 8 + 4 + 4 channels: 48 products; on o (4), gate and up (6 each), down (4) as well: 60 more.
    [InlineData(ShortConvolutionKind.Static, "qkv", 48)]
    [InlineData(ShortConvolutionKind.Static, "all", 108)]
    // Heads of 2: generators of 12, 6 and 6 filters' taps from 4 channels: 96 products more.
    [InlineData(ShortConvolutionKind.HeadWise, "qkv", 48 + 96)]
    // Rank 5: 3 · 4 · 5 = 60 into the bottleneck, 5 · 48 = 240 out of it.
    [InlineData(ShortConvolutionKind.LowRank, "qkv", 48 + 60 + 240)]
    // o reads 8 channels, gate and up 4 each, down 6: 5 · (12 + 8 + 4 + 4 + 6) = 170 in, 5 · 108 = 540 out.
    [InlineData(ShortConvolutionKind.LowRank, "all", 108 + 170 + 540)]
    public void Convolutions_counted_by_hand(ShortConvolutionKind kind, string placement, long products)
    {
        var convolution = new ShortConvolutionConfiguration { Kind = kind, Width = 3, Rank = 5, HeadSize = 2 };
        ModelConfiguration model = Plain.WithConvolutions(convolution, placement);
        Assert.Equal(3 * 2 * products, Part(model, "short convolutions"));
        Assert.Equal(FlopCounts.Of(Plain, Context).Forward + (3 * 2 * products), FlopCounts.Of(model, Context).Forward);
    }

    [Fact]
    public void A_large_model_takes_about_six_operations_a_parameter()
    {
        ModelConfiguration model = Presets.Get("2b");
        double perParameter = (double)FlopCounts.Of(model, 1).Training / ParameterCounts.Of(model).Total;
        Assert.InRange(perParameter, 5.99, 6.01);
    }

    private static long Part(ModelConfiguration model, string name) =>
        FlopCounts.Of(model, Context).Parts.Single(part => part.Key == name).Value;
}
