using System.Globalization;
using System.Text.RegularExpressions;
using DynConv.Experiments.Scaling;
using DynConv.Models;
using DynConv.Models.Layers;
using DynConv.Ops;
using DynConv.Tests;
using DynConv.Training;
using DynConv.Training.Runs;

namespace DynConv.Cli.Tests.Layers;

/// <summary>A mixer that the library does not know goes through everything that models go through.</summary>
public sealed partial class MixerFromOutsideTests : IDisposable
{
    private const string Settings = """
        preset: nano
        conv: lowrank
        placement: q,v,up
        rank: 4
        context: 64
        batch: 4
        learning_rate: 0.01
        checkpoint_every: 20
        device: DEVICE
        dtype: float32
        model:
          hidden_size: 32
          layers: 3
          attention_heads: 2
          sequence_mixers:
            - gated_convolution
            - {type: gated_convolution, conv_width: 4, short_conv: {b: {kind: static, width: 2}}}
            - attention
        """;

    private static readonly MixerKinds Kinds = MixerKinds.BuiltIn.With(GatedConvolutionConfiguration.Kind);

    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Devices => ["cpu", "cuda"];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Devices))]
    public void It_is_trained_on_real_text_stopped_resumed_and_generated_from(string device)
    {
        string config = Config(device);
        string[] run = ["train", "--config", config, "--data", Path.Combine(Repository.Folder, "docs"), "--steps", "60", "--out"];
        CommandRun whole = CommandRun.Of(Kinds, [.. run, _folder.At("whole")]).Succeeded();
        Assert.Contains("3 layers of gated_convolution, gated_convolution, attention", whole.Output, StringComparison.Ordinal);

        double[] losses = [.. File.ReadLines(_folder.At("whole", "metrics.jsonl")).Where(line => line.Contains("\"loss\"", StringComparison.Ordinal))
            .Select(line => double.Parse(LossValue().Match(line).Groups[1].Value, CultureInfo.InvariantCulture))];
        Assert.InRange(losses[^10..].Average(), 0, 0.75 * losses[0]);

        using (var stop = new CancellationTokenSource())
        {
            TrainingConfiguration configuration = RunFile.Read(Path.Combine(_folder.At("whole"), RunFile.Name)) with { Mixers = Kinds };
            TrainingResult stopped = TrainingRun.Start(configuration, _folder.At("parts"), new StopsAt(33, stop), stop.Token);
            Assert.True(stopped.Interrupted);

            // A GPU has begun the next step when the figures of one arrive.
            Assert.InRange(stopped.Steps, 33, 34);
        }

        CommandRun.Of(Kinds, "train", "--out", _folder.At("parts"), "--resume").Succeeded();
        Assert.Equal(Weights("whole"), Weights("parts"));

        CommandRun measured = CommandRun.Of(Kinds, "eval", "--model", _folder.At("whole"), "--data", Path.Combine(Repository.Folder, "README.md"), "--device", device);
        Assert.Equal(0, measured.ExitCode);
        Assert.DoesNotContain("not finished", measured.Error, StringComparison.Ordinal);
        CommandRun text = CommandRun.Of(
            Kinds,
            "generate", "--model", _folder.At("whole"), "--prompt", "The tensor", "--max-tokens", "40", "--temperature", "0", "--device", device);
        Assert.Equal(0, text.ExitCode);
        Assert.StartsWith("The tensor", text.Output, StringComparison.Ordinal);
        AssertStateAgreesWithTheWholePass(device);
        AssertResultsAreRead();

        string[] more = ["train", "--out", _folder.At("more"), "--device", device];
        CommandRun.Of(Kinds, [.. more, "--init", _folder.At("whole"), "--data", Path.Combine(Repository.Folder, "docs"), "--steps", "2"]).Succeeded();
        CommandRun.Of(Kinds, [.. more, "--resume", "--steps", "3"]).Succeeded();
    }

    [Fact]
    public void Its_parameters_and_operations_are_counted()
    {
        string output = CommandRun.Of(Kinds, "params", "--config", Config("cpu")).Succeeded().Output;
        ModelConfiguration shape = Shape("cpu");
        using var model = new LanguageModel(shape);

        Assert.Contains($"total {model.ParameterCount}\n", output, StringComparison.Ordinal);
        Assert.Equal((2 * 4 * 32 * 32) + ((3 + 4) * 32), ParameterCounts.Of(shape).Parts.ToDictionary()["gated convolution"]);
        Assert.Equal(2 * ((2 * 4 * 32 * 32) + ((3 + 4) * 32)), FlopCounts.Of(shape, 64).Parts.ToDictionary()["gated convolution"]);
        Assert.Matches(@"gated convolution +8,416\n", output);
        CommandRun.Of(Kinds, "params", "--preset", "300m", "--mixer", "gated_convolution,attention").Succeeded();
        CommandRun.Of(Kinds, "params", "--preset", "300m", "--mixer", "gated_convolution,mamba").Failed(
            1, "no sequence mixer 'mamba'", "attention, gdn, mamba2, gated_convolution");
    }

    [Theory]
    [MemberData(nameof(Devices))]
    public void Packed_sequences_do_not_see_one_another_in_it(string device)
    {
        ModelConfiguration shape = Shape(device);
        using var scope = new TensorScope();
        using var model = new LanguageModel(shape, 5, Device.Parse(device));
        int[] ids = [.. Enumerable.Range(0, 20).Select(i => (i * 37 + 5) % 257)];
        using var packed = new PackedSequences([0, 7, 8, 20]);

        float[] together = model.Forward(Ids(ids, model.Device), packed: packed).ToArray<float>();
        float[] apart = [.. new[] { ids[..7], ids[7..8], ids[8..] }.SelectMany(part => model.Forward(Ids(part, model.Device)).ToArray<float>())];
        AssertClose(apart, together);
    }

    [Fact]
    public void Programs_in_one_process_know_their_own_kinds_alone()
    {
        // Of the same name, with other filters where a file does not say.
        var wide = new MixerKind(GatedConvolutionConfiguration.Kind.Name, MixerRole.Sequence, static (section, hidden) =>
            (GatedConvolutionConfiguration)GatedConvolutionConfiguration.Kind.Read(section, hidden) with { Width = 9 });
        MixerKinds[] programs = [Kinds, MixerKinds.BuiltIn.With(wide), MixerKinds.BuiltIn];
        string[] command = ["params", "--mixer", "gated_convolution", "--preset", "nano"];
        var runs = new CommandRun[3 * programs.Length];
        Thread[] threads = [.. Enumerable.Range(0, runs.Length).Select(i => new Thread(() => runs[i] = CommandRun.Of(programs[i % programs.Length], command)))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());

        ModelConfiguration nano = Presets.Get("nano");
        long difference = (9 - 3) * nano.HiddenSize * nano.Layers.Count;
        for (int i = 0; i < runs.Length; i += programs.Length)
        {
            Assert.Equal(difference, Total(runs[i + 1]) - Total(runs[i]));
            runs[i + 2].Failed(1, "There is no sequence mixer 'gated_convolution'; there are attention, gdn, mamba2.");
        }

        static long Total(CommandRun run) =>
            long.Parse(run.Succeeded().OutputLines[^1].Replace("total ", "", StringComparison.Ordinal), CultureInfo.InvariantCulture);
    }

    [Fact]
    public void The_help_names_the_kinds_there_are()
    {
        Assert.Contains("attention, gdn, mamba2, gated_convolution.", Words(CommandRun.Of(Kinds, "train", "--help")), StringComparison.Ordinal);
        Assert.DoesNotContain("gated_convolution", Words(CommandRun.Of("train", "--help")), StringComparison.Ordinal);

        static string Words(CommandRun help) => Whitespace().Replace(help.Succeeded().Output, " ");
    }

    [Fact]
    public void A_grid_has_rows_of_it_and_goes_on_where_it_was()
    {
        string grid = _folder.Write("grid.yaml", """
            base: {preset: nano, context: 32, batch: 2, steps: 2, device: cpu, model: {hidden_size: 16, layers: 2, attention_heads: 1}}
            rows:
              plain: {conv: none}
              gated: {conv: none, model: {sequence_mixers: [gated_convolution, attention]}}
            """);
        string[] ablate = ["ablate", "--config", grid, "--data", Path.Combine(Repository.Folder, "LICENSE"), "--out", _folder.At("grid")];
        CommandRun.Of(ablate).Failed(1, "row 'gated'", "no sequence mixer 'gated_convolution'");
        Assert.False(Directory.Exists(_folder.At("grid")));

        CommandRun.Of(Kinds, ablate).Succeeded();
        byte[] weights = Weights("grid/gated-seed0");
        File.Delete(_folder.At("grid", "gated-seed0", "model.safetensors"));
        CommandRun.Of(Kinds, ablate).Succeeded();
        Assert.Equal(weights, Weights("grid/gated-seed0"));
        Assert.DoesNotContain("not finished", CommandRun.Of(Kinds, [.. ablate, "--table"]).Succeeded().Output, StringComparison.Ordinal);
    }

    [Fact]
    public void The_documentation_shows_this_very_code()
    {
        string page = File.ReadAllText(Path.Combine(Repository.Folder, "docs", "adding-a-layer.md"));
        string code = string.Concat(CodeBlock().Matches(page).Select(match => match.Groups[1].Value));
        string[] shown = [.. code.Split('\n').Where(line => line.Length > 0)];
        string file = File.ReadAllText(Path.Combine(Repository.Folder, "tests", "DynConv.Cli.Tests", "Layers", "GatedConvolution.cs"));

        Assert.Equal(file.Split('\n').Where(line => line.Length > 0), shown);
    }

    private static Tensor Ids(int[] ids, Device device) => Tensor.From(ids, [1, ids.Length], device);

    private static void AssertClose(float[] wanted, float[] found)
    {
        float largest = wanted.Max(Math.Abs);
        Assert.Equal(wanted.Length, found.Length);
        Assert.All(wanted.Zip(found), pair => Assert.Equal(pair.First, pair.Second, 1e-5f * largest));
    }

    private string Config(string device)
    {
        if (device == "cuda")
        {
            Card.OrSkip();
        }

        return _folder.Write($"{device}.yaml", Settings.Replace("DEVICE", device, StringComparison.Ordinal));
    }

    private ModelConfiguration Shape(string device) => (RunFile.Read(Config(device)) with { Mixers = Kinds }).ModelConfiguration();

    private byte[] Weights(string run) => File.ReadAllBytes(_folder.At(run, "model.safetensors"));

    /// <summary>A text in pieces of several lengths, one token among them, scores as the text in one piece.</summary>
    private void AssertStateAgreesWithTheWholePass(string device)
    {
        using IDisposable pause = Tape.Pause();
        using var scope = new TensorScope();
        using LanguageModel model = ModelFolder.Load(_folder.At("whole"), Device.Parse(device), mixers: Kinds);
        int[] ids = [.. "A tensor is a view.".Select(c => (int)c)];
        float[] whole = model.Forward(Ids(ids, model.Device)).ToArray<float>();
        using ModelState state = model.CreateState(1, ids.Length);
        var pieces = new List<float>();
        foreach (int[] piece in new[] { ids[..6], ids[6..7], ids[7..8], ids[8..] })
        {
            pieces.AddRange(model.Forward(Ids(piece, model.Device), state).ToArray<float>());
        }

        AssertClose(whole, [.. pieces]);
        Assert.Equal([ids.Length], state.Lengths);
    }

    /// <summary>What shows and compares runs knows the model, and says what it does not know if nobody tells it the kinds.</summary>
    private void AssertResultsAreRead()
    {
        const string Unknown = "There is no sequence mixer 'gated_convolution'";
        string run = _folder.At("whole");
        Assert.True(RunRecord.Read(run, Kinds).IsFinished);
        Assert.StartsWith("gated_convolution", Assert.Single(ScalingRuns.Read([run], Kinds)).Name, StringComparison.Ordinal);
        Assert.Contains(Unknown, Assert.Throws<DynConvException>(() => RunRecord.Read(run)).Message, StringComparison.Ordinal);
        Assert.Contains(Unknown, Assert.Throws<DynConvException>(() => ModelFolder.Load(run)).Message, StringComparison.Ordinal);
    }

    [GeneratedRegex(@"\s+")]
    private static partial Regex Whitespace();

    [GeneratedRegex("\"loss\":\\s*([0-9.eE+-]+)")]
    private static partial Regex LossValue();

    [GeneratedRegex("```csharp\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex CodeBlock();

    /// <summary>Asks for an end after a step.</summary>
    private sealed class StopsAt(long step, CancellationTokenSource stop) : ITrainingObserver
    {
        public void OnStep(StepMetrics metrics)
        {
            if (metrics.Step >= step)
            {
                stop.Cancel();
            }
        }
    }
}
