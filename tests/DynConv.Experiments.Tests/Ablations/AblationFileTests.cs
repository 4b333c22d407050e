using System.Text;
using DynConv.Experiments.Ablations;
using DynConv.Tests;
using DynConv.Training;

namespace DynConv.Experiments.Tests.Ablations;

public sealed class AblationFileTests
{
    private const string Base = """
        base:
          preset: nano
          steps: 10
        """;

    [Fact]
    public void Rows_are_the_base_with_their_own_settings_over_it()
    {
        AblationGrid grid = Parse("""
            name: Two
            baseline: none
            seeds: [3, 5]
            base:
              steps: 7
              rank: 8
              model: { layers: 2, hidden_size: 64 }
            rows:
              none: { conv: none }
              narrow: { width: 2, model: { layers: 1 }, tokens: 9000 }
            """);
        Assert.Equal(("Two", "none"), (grid.Name, grid.Baseline));
        Assert.Equal([3UL, 5UL], grid.Seeds);
        Assert.Equal(["none", "narrow"], grid.Rows.Select(row => row.Name));
        TrainingConfiguration narrow = grid.Rows[1].Configuration;
        Assert.Equal((8, 2, 1, 64), (narrow.Rank, narrow.Width, narrow.Model.Layers!.Value, narrow.Model.HiddenSize!.Value));
        Assert.Equal((null, 9000L), (narrow.Steps, narrow.Tokens!.Value));
        Assert.Equal("""{"conv":"none","model":{"hidden_size":64,"layers":2}}""", grid.Rows[0].Settings.ToJsonString());
        Assert.Equal("""{"conv":"lowrank","width":2,"model":{"hidden_size":64,"layers":1},"tokens":9000}""", grid.Rows[1].Settings.ToJsonString());
    }

    [Fact]
    public void A_grid_is_every_combination_of_its_axes()
    {
        AblationGrid grid = Parse("""
            base: { steps: 3, seed: 4 }
            grid:
              size:
                small: { model: { layers: 1 } }
                large: { model: { layers: 2 } }
              rank: [4, 8]
              qk_norm: [true, false]
            """);
        Assert.Equal(8, grid.Rows.Count);
        Assert.Equal(("small rank=4 qk_norm=true", "large rank=8 qk_norm=false"), (grid.Rows[0].Name, grid.Rows[7].Name));
        Assert.Equal((2, 8, false), (grid.Rows[7].Configuration.Model.Layers!.Value, grid.Rows[7].Configuration.Rank, grid.Rows[7].Configuration.QkNorm));
        Assert.Equal("large-rank-8-qk_norm-false-seed4", grid.Rows[7].FolderName(4));
        Assert.Equal("test", grid.Name);
        Assert.Equal([4UL], grid.Seeds);
        Assert.Null(grid.Baseline);
    }

    [Theory]
    [InlineData("steps: 3", "line 1: there is no setting 'steps' of a grid; there are name, baseline, seeds, base, rows, grid, and settings of runs go under base.")]
    [InlineData("base: { stepz: 3 }\nrows: { a: {} }", "line 1: there is no setting 'stepz'; did you mean steps?")]
    [InlineData("base: { steps: 3 }\nrows:\n  a: {}\n  b: { rang: 4 }", "line 4: there is no setting 'rang'; did you mean rank?")]
    [InlineData("base: { steps: 3 }\nrows:\n  a: {}\n  b: { rank: four }", "line 4: 'four' stands where a whole number is wanted.")]
    [InlineData("base: { steps: 3 }\nrows:\n  a: {}\n  a: { rank: 4 }", "line 4")]
    [InlineData("base: { steps: 3 }\nrows:\n  a b: {}\n  a-b: { rank: 4 }", "line 4: the rows 'a b' and 'a-b' would have the same folder.")]
    [InlineData("base: { steps: 3 }\nrows:\n  a: {}\n  b: { rank: 16 }", "line 4: the rows 'a' and 'b' have the same settings.")]
    [InlineData("base: { steps: 3 }\nrows:\n  a: { rank: 4 }\ngrid:\n  rank: [4]", "line 5: the rows 'a' and 'rank=4' have the same settings.")]
    [InlineData("base: { steps: 3 }\nbaseline: c\nrows:\n  a: {}\n  b: { rank: 4 }", "line 2: the baseline 'c' is not a row; the rows are a; b.")]
    [InlineData("base: { steps: 3 }", "line 1: the grid has no rows: give rows or grid.")]
    [InlineData("", "the grid has no rows")]
    [InlineData("rows:\n  a: { conv: none, rank: 4 }", "line 2: row 'a' sets rank, which a model without convolutions has no use for.")]
    [InlineData("base: { conv: static }\nrows:\n  a: { rank: 4 }", "row 'a' sets rank, which static convolutions have no use for.")]
    [InlineData("grid:\n  conv: [lowrank, headwise]\n  head_size: [4, 8]", "row 'conv=lowrank head_size=4' sets head_size, which lowrank convolutions have no use for.")]
    [InlineData("rows:\n  a: { conv: headwise, head_size: 7 }", "line 2: row 'a': Head size 7 does not divide the 128 channels of q")]
    [InlineData("rows:\n  a: { steps: 3, tokens: 4 }", "line 2: row 'a': A run is as long as its steps or its tokens say")]
    [InlineData("rows:\n  a: { conv: wavelet }", "row 'a': conv is 'wavelet'; use none, static, headwise or lowrank.")]
    [InlineData("rows:\n  a: { data: [b.txt] }", "row 'a' sets data, which is the same for all rows: it goes under base.")]
    [InlineData("grid:\n  pack: [true, false]", "row 'pack=true' sets pack, which is the same for all rows: it goes under base.")]
    [InlineData("rows:\n  a: { seed: 3 }", "row 'a' sets seed, which is the same for all rows: it goes under seeds.")]
    [InlineData("seeds: 3\nrows: { a: {} }", "line 1: seeds have to be a list, as in [0, 1, 2].")]
    [InlineData("seeds: [0, x]\nrows: { a: {} }", "line 1: the seed 'x' is not a whole number from 0.")]
    [InlineData("seeds: [0, 0]\nrows: { a: {} }", "line 1: the seed '0' is there twice.")]
    [InlineData("rows:\n  a: 3", "line 2: row 'a' has to be a section of settings.")]
    [InlineData("grid:\n  rank: 3", "line 2: the axis 'rank' needs a list of values, or names with settings.")]
    [InlineData("grid:\n  rank: [3]\n  b: { c: { rank: 4 } }", "line 3: 'rank' is set by two axes of the grid.")]
    [InlineData("rows: [", "this is not YAML, inside the list that begins in line 1;")]
    [InlineData("name: g\nseeds: [\nbase:\n  preset: nano\n", "line 2: this is not YAML, inside the list that begins in line 2;")]
    [InlineData("base: &a {model: *a}\nrows:\n  x: {conv: none}", "line 1: the alias *a stands inside the value that it stands for.")]
    [InlineData("base: { width: !!float 3.7 }\nrows: { a: {} }", "the tag !!float has no meaning in a file of settings; leave it out.")]
    [InlineData("rows: { a: {}, a: {} }", "'a' is there twice.")]
    public void A_grid_that_makes_no_sense_is_refused_in_a_sentence(string text, string message)
    {
        string actual = Assert.Throws<DynConvException>(() => Parse(text)).Message;
        Assert.StartsWith("line ", actual, StringComparison.Ordinal);
        Assert.Contains(message, actual, StringComparison.Ordinal);
        Assert.Matches("[.?]$", actual);
        Assert.DoesNotContain('\n', actual);
    }

    [Theory]
    [InlineData('[', ']')]
    [InlineData('{', '}')]
    public void Nesting_without_end_is_refused_at_once(char open, char close)
    {
        string deep = $"base: {new string(open, 100_000)}{new string(close, 100_000)}\nrows: {{ a: {{}} }}";
        Assert.StartsWith("line 1: ", Assert.Throws<DynConvException>(() => Parse(deep)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Aliases_that_multiply_are_refused()
    {
        string bomb = string.Concat(Enumerable.Range(1, 9).Select(static i => $"  a{i}: &a{i} [{string.Join(',', Enumerable.Repeat($"*a{i - 1}", 8))}]\n"));
        string message = Assert.Throws<DynConvException>(() => Parse($"base:\n  a0: &a0 [x,x,x,x,x,x,x,x]\n{bomb}rows:\n  x: {{conv: none}}\n")).Message;
        Assert.Equal("line 6: aliases stand for more than 10,000 values here.", message);
    }

    [Fact]
    public void Mutated_grids_are_read_or_refused_in_a_sentence()
    {
        byte[][] samples =
        [
            .. new[]
            {
                "name: Two\nbaseline: none\nseeds: [3, 5]\nbase:\n  steps: 7\n  rank: 8\n  model: &m { layers: 2, hidden_size: 64 }\nrows:\n  none: { conv: none }\n  narrow: { width: 2, model: *m, tokens: 9000 }\n",
                "base: { steps: 3, seed: 4 }\ngrid:\n  size:\n    small: { model: { layers: 1 } }\n    large: { model: { layers: 2 } }\n  rank: [4, 8]\n  qk_norm: [true, false]\n",
            }.Select(Encoding.UTF8.GetBytes),
        ];
        FuzzResult result = Fuzz.Files("grid", "grid.yaml", samples, static path => _ = AblationFile.Read(path));
        Assert.True(result is { Accepted: > 0, Refused: > 60 }, $"{result}");
    }

    [Fact]
    public void A_missing_file_is_named() =>
        Assert.Contains("no-such.yaml cannot be read", Assert.Throws<DynConvException>(() => AblationFile.Read("no-such.yaml")).Message, StringComparison.Ordinal);

    [Fact]
    public void The_device_is_none_of_the_files_business() =>
        Assert.Equal("cuda", Parse(Base + "\n  device: cuda\n  dtype: bfloat16\nrows: { a: {} }").Rows[0].Configuration.Device);

    private static AblationGrid Parse(string text) => AblationFile.Parse(text, "test");
}
