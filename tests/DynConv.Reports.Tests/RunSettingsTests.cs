using DynConv.Models.Layers;

namespace DynConv.Reports.Tests;

public sealed class RunSettingsTests
{
    [Fact]
    public void Layers_that_differ_are_among_the_settings_that_the_page_shows()
    {
        using var folders = new ReportFolders();
        folders.Write("run/run.yaml", "model: {layers: 3, sequence_mixers: [attention, {type: attention, head_dim: 8}]}");

        IReadOnlyDictionary<string, string> values = RunSettings.Read(folders["run"]).Values;

        Assert.Equal("3", values["model.layers"]);
        Assert.Equal("""attention, {"type":"attention","head_dim":8}""", values["model.sequence_mixers"]);
        Assert.DoesNotContain("model.channel_mixers", values.Keys);
    }

    [Fact]
    public void Parameters_are_those_of_the_kinds_of_mixers_that_a_report_is_given()
    {
        using var folders = new ReportFolders();
        folders.Write("run/run.yaml", "steps: 3");
        folders.Write("run/config.json", """
            {
              "model_type": "dynconv", "vocab_size": 32, "hidden_size": 16,
              "layers": [{"sequence_mixer": {"type": "other", "num_attention_heads": 2}}]
            }
            """);
        MixerKinds mixers = MixerKinds.BuiltIn.With(MixerKinds.BuiltIn.All.Single(kind => kind.Name == "attention") with { Name = "other" });

        Assert.True(RunSettings.Parameters(folders["run"], mixers) > 16 * 32);
        Assert.Null(RunSettings.Parameters(folders["run"], null));
        Assert.DoesNotContain(RunSettings.Read(folders["run"]).Values.Keys, key => key.StartsWith("mixers", StringComparison.Ordinal));
    }
}
