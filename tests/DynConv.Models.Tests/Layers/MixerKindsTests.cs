using DynConv.Models.Layers;

namespace DynConv.Models.Tests.Layers;

public sealed class MixerKindsTests
{
    private static readonly MixerKind Normed = new("normed", MixerRole.Sequence, static (section, hidden) =>
        AttentionConfiguration.Read(section, hidden) with { QkNorm = true });

    private const string Json = """
        {
          "model_type": "dynconv", "vocab_size": 32, "hidden_size": 16,
          "layers": [{"sequence_mixer": {"type": "normed", "num_attention_heads": 2}}]
        }
        """;

    [Fact]
    public void A_kind_more_makes_another_value_and_leaves_this_one()
    {
        MixerKinds more = MixerKinds.BuiltIn.With(Normed);

        Assert.Equal(["attention", "gdn", "mamba2", "feed_forward", "normed"], more.All.Select(kind => kind.Name));
        Assert.Equal(["attention", "gdn", "mamba2", "feed_forward"], MixerKinds.BuiltIn.All.Select(kind => kind.Name));
        Assert.Equal(more, MixerKinds.BuiltIn.With(Normed));
        Assert.NotEqual(more, MixerKinds.BuiltIn);
    }

    [Fact]
    public void The_same_kind_again_changes_nothing_and_another_of_its_name_is_refused()
    {
        MixerKinds more = MixerKinds.BuiltIn.With(Normed);
        Assert.Same(more, more.With(Normed));
        MixerKind[] others = [Normed with { Role = MixerRole.Channel }, Normed with { Name = "attention" }];
        Assert.All(others, other => Assert.Equal(
            $"There is a kind of mixer called '{other.Name}' already.", Assert.Throws<DynConvException>(() => more.With(other)).Message));
    }

    [Fact]
    public void A_file_names_the_kinds_that_are_given_and_no_others()
    {
        ModelConfiguration model = ConfigurationFile.Parse(Json, MixerKinds.BuiltIn.With(Normed));

        Assert.True(Assert.IsType<AttentionConfiguration>(Assert.Single(model.Layers).Sequence).QkNorm);
        Assert.Equal(
            "There is no sequence mixer 'normed'; there are attention, gdn, mamba2.",
            Assert.Throws<DynConvException>(() => ConfigurationFile.Parse(Json)).Message);
    }
}
