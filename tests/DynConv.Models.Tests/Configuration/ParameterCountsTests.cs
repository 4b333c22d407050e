using System.Globalization;
using DynConv.Modules;

namespace DynConv.Models.Tests.Configuration;

public sealed class ParameterCountsTests
{
    public static TheoryData<string, string, int, int, int, string> Published => new()
    {
        { "300m", "none", 4, 0, 0, "305.2M" },
        { "300m", "lowrank", 1, 16, 0, "306.8M" },
        { "300m", "lowrank", 2, 16, 0, "307.6M" },
        { "300m", "lowrank", 3, 16, 0, "308.5M" },
        { "300m", "lowrank", 4, 16, 0, "309.3M" },
        { "300m", "lowrank", 5, 16, 0, "310.1M" },
        { "300m", "lowrank", 6, 16, 0, "311.0M" },
        { "300m", "lowrank", 4, 128, 0, "336.8M" },
        { "300m", "headwise", 4, 0, 8, "330.5M" },
        { "300m", "headwise", 4, 0, 128, "306.9M" },
        { "2b", "none", 4, 0, 0, "1.82B" },
        { "300m-gdn", "none", 4, 0, 0, "305.37M" },
        { "300m-gdn", "lowrank", 4, 16, 0, "308.26M" },
        { "300m-mamba2", "none", 4, 0, 0, "306.11M" },
        { "300m-mamba2", "lowrank", 4, 16, 0, "308.06M" },
        { "2b", "lowrank all", 4, 16, 0, "1.88B" },
    };

    [Theory]
    [MemberData(nameof(Published))]
    public void The_published_parameter_counts_come_out(string preset, string convolution, int width, int rank, int headSize, string printed)
    {
        string[] words = convolution.Split(' ');
        ShortConvolutionConfiguration? settings = ShortConvolutionKinds.ParseOrNone(words[0]) is { } kind
            ? new ShortConvolutionConfiguration { Kind = kind, Width = width, Rank = rank, HeadSize = headSize }
            : null;
        ModelConfiguration shape = Presets.Get(preset).WithConvolutions(settings, words.ElementAtOrDefault(1) ?? "qkv");

        long total = ParameterCounts.Of(shape).Total;

        string text = printed[^1] == 'B'
            ? (total / 1e9).ToString("F2", CultureInfo.InvariantCulture) + "B"
            : (total / 1e6).ToString(printed.Length == 7 ? "F2" : "F1", CultureInfo.InvariantCulture) + "M";
        Assert.Equal(printed, text);
    }

    [Fact]
    public void Counts_from_the_shape_equal_those_of_a_model() => Assert.All(TinyModels.Variants, variant =>
    {
        ModelConfiguration shape = TinyModels.Shape(variant);
        using var model = new LanguageModel(shape);
        Assert.Equal(model.ParameterCount, ParameterCounts.Of(shape).Total);
    });

    [Fact]
    public void Parts_are_counted_apart()
    {
        ModelConfiguration shape = TinyModels.Shape("headwise qkv qknorm untied");
        var parts = ParameterCounts.Of(shape).Parts.ToDictionary();

        Assert.Equal(29 * 12, parts["embedding"]);
        Assert.Equal(2 * 12 * (16 + 8 + 8 + 16), parts["attention"]);
        Assert.Equal(2 * 3 * 12 * 20, parts["feed-forward"]);
        Assert.Equal(2 * 4 * ((8 * 12) + 16 + (2 * ((4 * 12) + 8))), parts["short convolutions"]);
        Assert.Equal((2 * 2 * 12) + 12 + (2 * 2 * 4), parts["norms"]);
        Assert.Equal(29 * 12, parts["output"]);
    }

    [Fact]
    public void Every_preset_is_a_valid_shape_and_they_grow()
    {
        long[] totals = [.. Presets.Names.Select(name => ParameterCounts.Of(Presets.Get(name)).Total)];
        Assert.Equal(totals.Order(), totals);
        DynConvException failure = Assert.Throws<DynConvException>(() => Presets.Get("3b"));
        Assert.Equal("There is no preset '3b'; there are nano, nano-gdn, nano-mamba2, micro, 150m, 300m, 300m-gdn, 300m-mamba2, 600m, 1b, 2b.", failure.Message);
    }
}
