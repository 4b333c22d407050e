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
}
