using DynConv.Models;
using DynConv.Models.Tokenizers;
using DynConv.Optimizers;
using DynConv.Serialization;
using DynConv.Training.Data;
using DynConv.Training.Optimization;
using DynConv.Training.Runs;

namespace DynConv.Training.Tests.Runs;

public sealed class NonFiniteTests
{
    [Theory]
    [InlineData("model.embed_tokens.weight", float.NaN, "embedding in model.embed_tokens")]
    [InlineData("model.layers.1.self_attn.k_proj.weight", float.PositiveInfinity, "linear in model.layers.1.self_attn")]
    [InlineData("model.layers.0.self_attn.v_conv.static_weight", float.NaN, "low_rank_convolution in model.layers.0.self_attn")]
    [InlineData("model.layers.1.mlp.down_proj.weight", float.NaN, "linear in model.layers.1.mlp")]
    [InlineData("model.norm.weight", float.NaN, "add_rms_norm in model.norm")]
    public void A_loss_that_is_not_finite_names_the_step_and_the_first_op(string weight, float value, string op)
    {
        using var run = new TinyRun();
        run.Start(recorder: new Recorder { StopAfter = 5 });
        Poke(Path.Combine(run.Checkpoint(5), "model.safetensors"), weight, value);

        string message = run.ResumeFailure();

        Assert.StartsWith("Step 6: the loss is NaN. ", message);
        Assert.Contains($" {op} produced a non-finite value.", message);
        Assert.DoesNotContain('\n', message);
        Assert.Equal(5, run.Losses().Length);
    }

    [Fact]
    public void A_run_whose_last_step_breaks_the_model_does_not_finish()
    {
        using var run = new TinyRun();
        run.Start(recorder: new Recorder { StopAfter = 9 });
        run.Resume();
        File.Delete(Path.Combine(run["run"], "model.safetensors"));
        Poke(Path.Combine(run.Checkpoint(10), "model.safetensors"), "model.norm.weight", float.NaN);

        string message = run.ResumeFailure();

        Assert.StartsWith("Step 10: the validation loss is NaN. add_rms_norm in model.norm produced a non-finite value.", message);
        Assert.False(File.Exists(Path.Combine(run["run"], "model.safetensors")));
    }

    [Fact]
    public void A_gradient_that_is_too_large_is_told_from_an_op_that_fails()
    {
        string message = StepFailure(model =>
        {
            // The logits stay as they are, and so does the loss; the gradient of lm_head is 1e25 times larger, and its
            // square is beyond float32.
            Scale(model, "model.norm.weight", 1e25f);
            Scale(model, "lm_head.weight", 1e-25f);
        });

        Assert.StartsWith("Step 3: the norm of the gradient is Infinity. Each value by itself is finite", message);
    }

    [Fact]
    public void What_is_in_the_gradients_already_is_not_blamed_on_an_op()
    {
        string message = StepFailure(model =>
        {
            using var scope = new TensorScope();
            using var tape = new Tape();
            Tensor ids = Tensor.From(new[] { 1, 2 }, [1, 2]);
            tape.Backward(model.Loss(ids, ids), Tensor.From(new[] { float.NaN }, [1]).Reshape([]));
        });

        Assert.StartsWith("Step 3: the norm of the gradient is NaN. Each value by itself is finite", message);
    }

    [Fact]
    public void An_infinite_perplexity_does_not_end_a_run()
    {
        using var run = new TinyRun();
        run.Start(recorder: new Recorder { StopAfter = 9 });
        Poke(Path.Combine(run.Checkpoint(9), "model.safetensors"), "model.norm.weight", 1e7f);

        TrainingResult result = run.Resume();

        Assert.Equal(double.PositiveInfinity, result.Validation!.Perplexity);
        Assert.Contains("\"valid_perplexity\":null", run.Metrics()[^1]);
    }

    /// <summary>What a third step says of a model that something was done to.</summary>
    private static string StepFailure(Action<LanguageModel> prepare)
    {
        using var run = new TinyRun();
        ModelOverrides untied = run.Configuration.Model with { TiedEmbeddings = false };
        TrainingConfiguration configuration = (run.Configuration with { Model = untied, Accumulate = 2 }).Resolve();
        using TokenDataset data = TokenCache.OpenOrEncode(run["data"], TextSource.Find([run.Text]), new ByteTokenizer());
        using var model = new LanguageModel(configuration.ModelConfiguration(257));
        using Optimizer optimizer = OptimizerKinds.Create(model, configuration);
        using var loop = new TrainingLoop(configuration, model, optimizer, new BatchSampler(data, 16, 0));
        prepare(model);
        optimizer.StepCount = 2;
        var failure = Assert.Throws<NonFiniteStepException>(loop.Step);
        Assert.Equal((3, 2), (failure.Step, optimizer.StepCount));
        Assert.All(model.NamedParameters(), parameter => Assert.Null(parameter.Value.Gradient));
        return failure.Message;
    }

    private static void Scale(LanguageModel model, string name, float factor)
    {
        using var scope = new TensorScope();
        Tensor weight = model.NamedParameters().Single(parameter => parameter.Key == name).Value.Tensor.Detach();
        weight.CopyFrom(Tensor.From([.. weight.ToArray<float>().Select(value => value * factor)], weight.Shape));
    }

    /// <summary>Sets all of a weight of a checkpoint to one value, as if it had been so when it was written.</summary>
    private static void Poke(string path, string name, float value)
    {
        using var scope = new TensorScope();
        Dictionary<string, Tensor> weights;
        using (var reader = new SafetensorsReader(path))
        {
            weights = reader.Entries.Keys.ToDictionary(key => key, key => reader.Read(key));
        }

        Shape shape = weights[name].Shape;
        weights[name] = Tensor.From(Enumerable.Repeat(value, (int)shape.Count).ToArray(), shape);
        SafetensorsWriter.Write(path, weights);
        CheckpointManifest.Write(Path.GetDirectoryName(path)!);
    }
}
