using DynConv.Ops;

namespace DynConv.Tests.Ops;

/// <summary>Results and gradients against vectors that another implementation computed in float64.</summary>
[Trait("Uses", "compiler")]
public sealed class GoldenTests
{
    [Theory]
    [InlineData("attention_gqa2")]
    [InlineData("attention_mha")]
    public void Attention_conforms(string name)
    {
        using var file = new GoldenFile(name);
        file.Check(["q", "k", "v"], x => Attention.Causal(x[0], x[1], x[2]));
    }

    [Theory]
    [InlineData("rope_k8", 8)]
    [InlineData("rope_k16_t40", 16)]
    public void Rope_conforms(string name, int headDim)
    {
        using var file = new GoldenFile(name);
        file.Check(["x"], x =>
        {
            using var table = new RopeTable(file.Number("theta"), headDim, 64, x[0].Device);
            return Rope.Apply(x[0], table);
        });
    }

    [Theory]
    [InlineData("rms_norm_d32")]
    [InlineData("rms_norm_d8_4d")]
    public void RmsNorm_conforms(string name)
    {
        using var file = new GoldenFile(name);
        file.Check(["x", "weight"], x => RmsNorm.Apply(x[0], x[1], (float)file.Number("eps")));
    }

    [Theory]
    [InlineData("swiglu_d32")]
    [InlineData("swiglu_wide_range")]
    public void SwiGlu_conforms(string name)
    {
        using var file = new GoldenFile(name);
        file.Check(["gate", "up"], x => SwiGlu.Apply(x[0], x[1]));
    }

    [Theory]
    [InlineData("cross_entropy_n13_v61")]
    [InlineData("cross_entropy_n24_v40")]
    public void CrossEntropy_conforms(string name)
    {
        using var file = new GoldenFile(name);
        file.Check(
            ["logits", "targets"], x => CrossEntropy.Mean(x[0], x[1], (int)file.Number("ignore_index")));
    }
}
