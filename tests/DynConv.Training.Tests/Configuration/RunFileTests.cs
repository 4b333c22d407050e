using System.Reflection;
using System.Text;
using System.Text.RegularExpressions;
using DynConv.Tests;
using DynConv.Training.Tests.Runs;
using YamlDotNet.Serialization;

namespace DynConv.Training.Tests.Configuration;

public sealed class RunFileTests
{
    private static readonly TrainingConfiguration Changed = new()
    {
        Data = ["a b", "c: d", "#e"],
        Valid = ["~"],
        DataFormat = "jsonl",
        TextField = "a.b",
        SkipBadLines = true,
        Tokenizer = "null",
        Preset = "micro",
        Model = new ModelOverrides
        {
            HiddenSize = 96,
            IntermediateSize = 100,
            Layers = 3,
            AttentionHeads = 6,
            KeyValueHeads = 2,
            HeadDimension = 18,
            RopeTheta = 1e6 / 3,
            TiedEmbeddings = false,
            SequenceMixers = RunFile.Parse("model: {sequence_mixers: [attention, {type: attention, head_dim: 6, qk_norm: true, a: '7', b: ~, c: [1.5, x y]}]}").Model.SequenceMixers,
            ChannelMixers = MixerPattern.Parse("feed_forward"),
        },
        Init = "models/a model",
        Conv = "headwise",
        Placement = "q,down",
        Width = 7,
        Rank = 5,
        HeadSize = 2,
        QkNorm = true,
        Context = 33,
        Template = false,
        Pack = true,
        Batch = 3,
        Accumulate = 2,
        Recompute = true,
        Steps = 1L << 40,
        Tokens = 1L << 50,
        LearningRate = 0.1 + 0.2,
        Optimizer = "muon",
        Schedule = "wsd",
        Warmup = 1.0 / 3,
        Decay = 0.25,
        FinalLearningRate = 1e-300,
        WeightDecay = 0.01,
        Beta1 = 0.8,
        Beta2 = 0.99,
        Epsilon = 1e-9,
        ClipNorm = 0,
        Seed = ulong.MaxValue,
        ValidateEvery = 0,
        ValidationTokens = 17,
        CheckpointEvery = 5,
        KeepCheckpoints = 3,
        KeepBest = true,
        Device = "cpu",
        Dtype = "float32",
    };

    [Fact]
    public void Every_key_comes_back_as_it_was_written()
    {
        AssertAllChanged(new TrainingConfiguration(), Changed);
        AssertAllChanged(new ModelOverrides(), Changed.Model);

        TrainingConfiguration read = RunFile.Parse(RunFile.ToYaml(Changed));

        Assert.Equivalent(Changed, read, strict: true);
        Assert.Equal(RunFile.ToYaml(Changed), RunFile.ToYaml(read));
    }

    [Fact]
    public void A_path_with_its_weight_may_be_a_section()
    {
        Assert.Equal(["a b:0.7", "c", "d:0.30000000000000004"], RunFile.Parse("data: [{path: a b, weight: 0.7}, c, 'd:0.30000000000000004']").Data);
        Assert.Equal(["C:/x:2"], RunFile.Parse("data:\n- weight: 2\n  path: C:/x").Data);
        string[] bad = ["{path: a}", "{path: a, weight: 0}", "{path: a, weight: x}", "{path: a, weight: 1, more: 2}", "{path: [a], weight: 1}", "[a]", "~"];
        Assert.All(bad, static entry =>
            Assert.StartsWith("line 1: ", Assert.Throws<DynConvException>(() => RunFile.Parse($"data: [{entry}]")).Message));
    }

    [Fact]
    public void Keys_are_underscored_and_nothing_else_is_written()
    {
        string[] keys = [.. RunFile.ToYaml(Changed).Split('\n').Where(line => line.Length > 0 && line[0] != ' ' && line[0] != '-').Select(line => line.Split(':')[0])];
        Assert.Equal(Settings<TrainingConfiguration>().Length, keys.Length);
        Assert.Contains("final_learning_rate", keys);
        Assert.Contains("beta1", keys);
        Assert.All(keys, key => Assert.Matches("^[a-z0-9_]+$", key));
    }

    [Fact]
    public void What_is_left_out_has_its_default()
    {
        Assert.Equivalent(new TrainingConfiguration(), RunFile.Parse(""), strict: true);
        Assert.Equivalent(new TrainingConfiguration(), RunFile.Parse("# only a comment\n"), strict: true);
        Assert.Equivalent(new TrainingConfiguration(), RunFile.Parse("data:\nvalid: ~\nmodel:\n  # layers: 3\nsteps:\n"), strict: true);
        Assert.Equivalent(new TrainingConfiguration(), RunFile.Parse(RunFile.ToYaml(new TrainingConfiguration())), strict: true);
    }

    [Theory]
    [InlineData("steps: 3", "steps: 3", null)]
    [InlineData("steps: 3", "steps: 4", "steps: 4")]
    [InlineData("data: [a, b]", "data: [a]", "data: [\"a\"]")]
    [InlineData("data: [a, b]", "data: [b, a]", "data: [\"b\",\"a\"]")]
    [InlineData("model: {layers: 3}", "", "model.layers left out")]
    [InlineData("model: {sequence_mixers: [attention, {type: attention, head_dim: 8}]}", "model: {sequence_mixers: [attention]}", "model.sequence_mixers: [\"attention\"]")]
    [InlineData("valid: [x]\ndata: [y]", "valid: [x]\ndata: [x]", "data: [\"x\"]")]
    public void A_difference_is_named_by_its_setting(string before, string now, string? difference)
    {
        SettingDifference? found = RunFile.Differences(RunFile.Parse(before), RunFile.Parse(now)).FirstOrDefault();
        Assert.Equal(difference, found?.Show(found.Now));
    }

    [Fact]
    public void A_file_as_a_person_writes_it_is_read()
    {
        TrainingConfiguration read = RunFile.Parse("""
            # a small run
            data: [books, "notes 1.txt"]
            valid:
              - held-out
            learning_rate: 3e-4
            qk_norm: true
            model: {layers: 2, tied_embeddings: false}
            """);

        Assert.Equal(["books", "notes 1.txt"], read.Data);
        Assert.Equal(["held-out"], read.Valid);
        Assert.Equal(3e-4, read.LearningRate);
        Assert.True(read.QkNorm);
        Assert.Equal(new ModelOverrides { Layers = 2, TiedEmbeddings = false }, read.Model);
    }

    [Theory]
    [InlineData("steps: 3\nwidht: 4", 2, "there is no setting 'widht'; did you mean width?")]
    [InlineData("model:\n  layers: 2\n  hiden_size: 3", 3, "there is no setting 'hiden_size'; did you mean hidden_size?")]
    [InlineData("learningRate: 1", 1, "there is no setting 'learningRate'; did you mean learning_rate?")]
    [InlineData("wdith: 1", 1, "there is no setting 'wdith'; did you mean width?")]
    [InlineData("nothing_like_it: 1", 1, "there is no setting 'nothing_like_it'.")]
    [InlineData("Steps: 3", 1, "there is no setting 'Steps'; did you mean steps?")]
    [InlineData("steps: 3\nseed: 1\nsteps: 4", 3, "'steps' is there twice.")]
    [InlineData("model:\n  sequence_mixers: [[[[[[[[[[[[[[[[[[[[a]]]]]]]]]]]]]]]]]]]]", 2, "lists and sections lie too deep in one another; 16 is the limit.")]
    [InlineData("model:\n  sequence_mixers: attention", 2, "'attention' stands where a list of mixers, as in [attention], is wanted.")]
    [InlineData("model:\n  sequence_mixers: [{type: a, type: b}]", 2, "'type' is there twice.")]
    [InlineData("seed: 1\nwidth: four", 2, "'four' stands where a whole number is wanted.")]
    [InlineData("width: 4.5", 1, "'4.5' stands where a whole number is wanted.")]
    [InlineData("width: 99999999999", 1, "'99999999999' stands where a whole number is wanted.")]
    [InlineData("width: [4]", 1, "a list stands where a whole number is wanted.")]
    [InlineData("width:", 1, "nothing stands where a whole number is wanted.")]
    [InlineData("steps: 1e3", 1, "'1e3' stands where a whole number is wanted.")]
    [InlineData("seed: -1", 1, "'-1' stands where a whole number from 0 is wanted.")]
    [InlineData("learning_rate: fast", 1, "'fast' stands where a number is wanted.")]
    [InlineData("learning_rate: NaN", 1, "'NaN' stands where a number is wanted.")]
    [InlineData("qk_norm: maybe", 1, "'maybe' stands where true or false is wanted.")]
    [InlineData("conv:", 1, "nothing stands where a text is wanted.")]
    [InlineData("preset: {name: nano}", 1, "a section stands where a text is wanted.")]
    [InlineData("data: src", 1, "'src' stands where a list of texts, as in [a, b], is wanted.")]
    [InlineData("data:\n  - a\n  - [b]", 3, "a list stands where a text is wanted.")]
    [InlineData("model: nano", 1, "'nano' stands where a section of settings is wanted.")]
    [InlineData("- 1", 1, "a list stands where a section of settings is wanted.")]
    [InlineData("steps: 1\ndata: [a", 3, "this is not YAML, inside the list that begins in line 2; look for a bracket, a comma, a colon, a quote or an indentation that is missing or too many.")]
    [InlineData("steps: 1\ndata: [a\nwidth: 4\n", 2, "this is not YAML, inside the list that begins in line 2; look for a bracket, a comma, a colon, a quote or an indentation that is missing or too many.")]
    [InlineData("model:\n\tlayers: 2", 1, "line 2 begins with a tab, and YAML is indented by spaces alone.")]
    [InlineData("width: !!float 3.7", 1, "the tag !!float has no meaning in a file of settings; leave it out.")]
    [InlineData("qk_norm: !!int 5", 1, "the tag !!int has no meaning in a file of settings; leave it out.")]
    [InlineData("preset: !local nano", 1, "the tag !local has no meaning in a file of settings; leave it out.")]
    [InlineData("model: &a {sequence_mixers: [*a]}", 1, "the alias *a stands inside the value that it stands for.")]
    [InlineData("width: *a", 1, "the alias *a stands for nothing: no value before it has the anchor &a.")]
    [InlineData("width: 3\n---\nwidth: 4", 2, "a second document begins here, and a file of settings has one.")]
    [InlineData("? [a]\n: 4", 1, "a key has to be a text.")]
    [InlineData("preset: \"\\0\"", 1, "a text has the character NUL in it.")]
    [InlineData("data: [\"\\ud800\"]", 1, "this is not YAML, inside the list that begins in line 1; look for a bracket, a comma, a colon, a quote or an indentation that is missing or too many.")]
    public void What_is_wrong_is_said_with_its_line(string yaml, int line, string message)
    {
        using var run = new TinyRun();
        File.WriteAllText(run["config.yaml"], yaml);

        DynConvException failure = Assert.Throws<DynConvException>(() => RunFile.Read(run["config.yaml"]));

        Assert.Equal($"{run["config.yaml"]}, line {line}: {message}", failure.Message);
    }

    [Theory]
    [InlineData("seed: 1\ncontext: 0", "context is 0; it has to be at least 1.")]
    [InlineData("seed: 1\nlearning_rate: 2e1", "learning_rate is 20; it has to be from 0 to 10.")]
    [InlineData("seed: 1\npreset: nanno", "There is no preset 'nanno'")]
    [InlineData("batch: 9\ncontext: 99999999", "A context of 99999999 times a batch of 9 is")]
    [InlineData("seed: 1\nconv: wavelet", "conv is 'wavelet'")]
    [InlineData("model:\n  layers: 0", "num_hidden_layers is 0")]
    public void What_is_found_wrong_later_is_said_with_its_line_too(string yaml, string message)
    {
        using var run = new TinyRun();
        File.WriteAllText(run["config.yaml"], yaml);
        TrainingConfiguration read = RunFile.Read(run["config.yaml"]);

        string said = Assert.Throws<DynConvException>(() => read.Resolve().ModelConfiguration()).Message;

        Assert.Matches($"^{Regex.Escape(run["config.yaml"])}, line [12]: {Regex.Escape(message)}", said);
    }

    [Fact]
    public void What_the_file_does_not_say_is_not_laid_to_it()
    {
        using var run = new TinyRun();
        File.WriteAllText(run["config.yaml"], "seed: 1\ncontext: 64");
        TrainingConfiguration read = RunFile.Read(run["config.yaml"]);

        Assert.Equal("context is -7; it has to be at least 1.", Assert.Throws<DynConvException>(() => (read with { Context = -7 }).Resolve()).Message);
        Assert.Equal(RunFile.Parse("seed: 1\ncontext: 64") with { Data = read.Data, Valid = read.Valid }, read);
    }

    [Fact]
    public void Anchors_and_aliases_save_words_and_no_memory()
    {
        TrainingConfiguration read = RunFile.Parse("data: &books [a, b]\nvalid: *books\nwidth: &four 4\nrank: *four");
        Assert.Equal(["a", "b"], read.Valid);
        Assert.Equal(4, read.Rank);
        Assert.DoesNotContain('&', RunFile.ToYaml(read));
        string bomb = $"a0: &a0 [x, x]\n{string.Concat(Enumerable.Range(1, 60).Select(static i => $"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n"))}";
        Assert.Contains("line 11: aliases stand for more than 10,000 values", Assert.Throws<DynConvException>(() => RunFile.Parse(bomb)).Message, StringComparison.Ordinal);
        string many = string.Join(", ", Enumerable.Repeat("*a", 5000));
        Assert.Contains("aliases stand for more than 10,000 values", Assert.Throws<DynConvException>(() => RunFile.Parse($"data: &a [a, b, c]\nvalid: [{many}]")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_beyond_all_measure_is_refused_before_it_is_read()
    {
        using var run = new TinyRun();
        using (FileStream file = File.Create(run["huge.yaml"]))
        {
            file.SetLength(3L << 30);
        }

        Assert.Equal($"The configuration {run["huge.yaml"]} is larger than 4 MiB, and no file of settings is.", Assert.Throws<DynConvException>(() => RunFile.Read(run["huge.yaml"])).Message);
        File.WriteAllBytes(run["latin.yaml"], [.. "data: [caf"u8, 0xe9, .. "]"u8]);
        Assert.Equal($"The configuration {run["latin.yaml"]} is not text in UTF-8.", Assert.Throws<DynConvException>(() => RunFile.Read(run["latin.yaml"])).Message);
    }

    [Fact]
    public void Mutated_files_are_read_or_refused_in_a_sentence()
    {
        byte[][] samples = [.. new[] { RunFile.ToYaml(new TrainingConfiguration { Data = ["a b", "c"], Steps = 20, Batch = 2, Device = "cpu" }.Resolve()), "data: &a [a, b]\nvalid: *a\nmodel: {layers: 2, sequence_mixers: [attention, {type: attention, head_dim: 6}]}\n" }.Select(Encoding.UTF8.GetBytes)];
        FuzzResult result = Fuzz.Files("run.yaml", RunFile.Name, samples, static path =>
        {
            TrainingConfiguration read = RunFile.Read(path);
            Assert.Equal(RunFile.ToYaml(read), RunFile.ToYaml(RunFile.Parse(RunFile.ToYaml(read))));
            _ = read.WithoutDevice().Resolve().ModelConfiguration();
        });
        Assert.True(result is { Accepted: > 0, Refused: > 60 }, $"{result}");
    }

    [Fact]
    public void A_file_that_is_not_there_is_named() =>
        Assert.StartsWith(
            "The configuration nowhere.yaml cannot be read: ",
            Assert.Throws<DynConvException>(() => RunFile.Read("nowhere.yaml")).Message);

    private static PropertyInfo[] Settings<T>() =>
        [.. typeof(T).GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(property => !property.IsDefined(typeof(YamlIgnoreAttribute)))];

    /// <summary>A key that a test forgot would pass it unseen.</summary>
    private static void AssertAllChanged<T>(T defaults, T changed) => Assert.All(
        Settings<T>(),
        property => Assert.NotEqual(property.GetValue(defaults), property.GetValue(changed)));
}
