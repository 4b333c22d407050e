using System.Reflection;
using System.Text.RegularExpressions;
using DynConv.Tests;
using DynConv.Training;
using YamlDotNet.Serialization;

namespace DynConv.Cli.Tests;

/// <summary>The page of settings says of each setting what is so, and leaves none out.</summary>
public sealed partial class SettingsReferenceTests
{
    private static readonly string Page = File.ReadAllText(Path.Combine(Repository.Folder, "docs", "settings.md"));
    private static readonly Row[] Rows = [.. RowPattern().Matches(Page).Select(match => new Row(match))];

    [Fact]
    public void The_page_has_every_setting_once()
    {
        string[] settings =
        [
            .. typeof(TrainingConfiguration).GetProperties().Where(property => !property.IsDefined(typeof(YamlIgnoreAttribute))).Select(property => Underscored(property.Name)),
            .. typeof(ModelOverrides).GetProperties().Select(property => $"model.{Underscored(property.Name)}"),
        ];

        Assert.Equal(settings.Order(), Rows.Select(row => row.Setting).Order());
    }

    [Fact]
    public void The_page_has_every_option_of_a_training()
    {
        string help = CommandRun.Of("train", "--help").Succeeded().Output;
        string[] options = [.. OptionPattern().Matches(help[help.IndexOf("Options:", StringComparison.Ordinal)..]).Select(match => match.Groups[1].Value).Except(["--help"])];
        string sentence = Page[Page.IndexOf("options alone:", StringComparison.Ordinal)..];
        string[] others = [.. Regex.Matches(sentence[..sentence.IndexOf("\n\n", StringComparison.Ordinal)], "`(--[a-z-]+)`").Select(match => match.Groups[1].Value)];

        Assert.Equal(options.Order(), Rows.Select(row => row.Option).Where(option => option.Length > 0).Concat(others).Order());
    }

    [Fact]
    public void Defaults_are_those_of_the_code()
    {
        Dictionary<string, string> defaults = RunFile.ToYaml(new TrainingConfiguration()).Split('\n')
            .Where(line => line.Contains(": ", StringComparison.Ordinal) && !line.StartsWith("model", StringComparison.Ordinal))
            .ToDictionary(line => line.Split(": ")[0], line => line.Split(": ")[1]);

        Assert.NotEmpty(defaults);
        Assert.All(defaults, setting => Assert.Equal($"`{setting.Value}`", Rows.Single(row => row.Setting == setting.Key).Default));
    }

    private static string Underscored(string name) => WordPattern().Replace(name, "_").ToLowerInvariant();

    [GeneratedRegex(@"^\| `([a-z0-9_.]+)` \| (?:`(--[a-z-]+)`)? ?\| ([^|]*)\|", RegexOptions.Multiline)]
    private static partial Regex RowPattern();

    [GeneratedRegex(@"^  (?:-\w, )?(?:-\?, )?(--[a-z-]+)", RegexOptions.Multiline)]
    private static partial Regex OptionPattern();

    [GeneratedRegex("(?<=[a-z0-9])(?=[A-Z])")]
    private static partial Regex WordPattern();

    private sealed class Row(Match match)
    {
        public string Setting => match.Groups[1].Value;

        public string Option => match.Groups[2].Value;

        public string Default => match.Groups[3].Value.Trim();
    }
}
