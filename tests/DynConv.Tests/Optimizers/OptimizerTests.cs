using DynConv.Modules;
using DynConv.Ops;
using DynConv.Optimizers;
using DynConv.Serialization;
using DynConv.Tests.Serialization;

namespace DynConv.Tests.Optimizers;

public sealed class OptimizerTests
{
    [Fact]
    public void Muon_takes_matrices_and_AdamW_all_else()
    {
        using var folder = new TemporaryFolder();
        using var model = new TwoLayers(Device.Cpu);
        using var alone = new TwoLayers(Device.Cpu);
        using var optimizer = new MuonOptimizer(model, new MuonSettings { LearningRate = 0.1, ClipNorm = 0 });
        using var adamW = new AdamWOptimizer(alone, new AdamWSettings { LearningRate = 0.1, ClipNorm = 0 });
        Dictionary<string, float[]> wanted = model.Values();
        Backward(model);
        Backward(alone);
        foreach ((string name, Parameter parameter) in model.NamedParameters().Where(pair => pair.Value.Kind == ParameterKind.Matrix))
        {
            using var scope = new TensorScope();
            Tensor matrix = Tensor.From(wanted[name], parameter.Shape);
            var settings = new MuonStepSettings { LearningRate = 0.1 };
            Muon.Step(matrix, parameter.Gradient!, Tensor.Zeros(parameter.Shape), settings);
            wanted[name] = matrix.ToArray<float>();
        }

        optimizer.Step();
        adamW.Step();

        (wanted["norm.weight"], wanted["output.weight"]) = (alone.Values()["norm.weight"], alone.Values()["output.weight"]);
        Assert.Equal(wanted, model.Values());
        optimizer.Save(folder["state.safetensors"]);
        using var reader = new SafetensorsReader(folder["state.safetensors"]);
        Assert.Equal(
            ["exp_avg.norm.weight", "exp_avg.output.weight", "exp_avg_sq.norm.weight", "exp_avg_sq.output.weight", "momentum_buffer.first.weight", "momentum_buffer.second.weight"],
            reader.Entries.Keys.Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("adamw")]
    [InlineData("muon")]
    public void What_an_optimizer_keeps_survives_a_file(string kind)
    {
        using var folder = new TemporaryFolder();
        using var model = new TwoLayers(Device.Cpu);
        using Optimizer optimizer = TrainerTests.Make(kind, model);
        Backward(model);
        optimizer.Step();
        Backward(model);
        optimizer.Step(0.5);
        optimizer.Save(folder["state.safetensors"]);

        using Optimizer loaded = TrainerTests.Make(kind, model);
        loaded.Load(folder["state.safetensors"]);
        Assert.Equal(2, loaded.StepCount);
        loaded.Save(folder["again.safetensors"]);
        Assert.Equal(File.ReadAllBytes(folder["state.safetensors"]), File.ReadAllBytes(folder["again.safetensors"]));
    }

    [Fact]
    public void A_file_without_a_count_of_steps_needs_one_and_another_optimizers_is_refused()
    {
        using var folder = new TemporaryFolder();
        using var model = new TwoLayers(Device.Cpu);
        using var optimizer = new AdamWOptimizer(model);
        optimizer.Save(folder["state.safetensors"]);
        using (var reader = new SafetensorsReader(folder["state.safetensors"]))
        {
            using var scope = new TensorScope();
            SafetensorsWriter.Write(folder["old.safetensors"], [.. reader.Entries.Keys.Select(name => KeyValuePair.Create(name, reader.Read(name)))]);
        }

        Assert.Equal(
            $"{folder["old.safetensors"]} does not say how many steps came before it; give the number.",
            Assert.Throws<DynConvException>(() => optimizer.Load(folder["old.safetensors"])).Message);
        optimizer.Load(folder["old.safetensors"], 5);
        Assert.Equal(5, optimizer.StepCount);
        using var muon = new MuonOptimizer(model);
        Assert.Contains("momentum_buffer.first.weight", Assert.Throws<DynConvException>(() => muon.Load(folder["state.safetensors"])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_gradient_that_is_not_finite_changes_nothing()
    {
        using var model = new TwoLayers(Device.Cpu);
        using var optimizer = new MuonOptimizer(model);
        Dictionary<string, float[]> before = model.Values();
        Backward(model, float.NaN);

        optimizer.Step();

        Assert.Equal(before, model.Values());
        Assert.All(model.NamedParameters(), pair => Assert.Null(pair.Value.Gradient));
    }

    [Fact]
    public void What_does_not_fit_is_refused()
    {
        using var model = new TwoLayers(Device.Cpu);
        using var empty = new Empty();
        using var optimizer = new AdamWOptimizer(model);
        Refused("No parameter has a gradient; record a loss on a Tape and run it backward before a step.", optimizer.Step);
        Refused("An optimizer needs a module with parameters, and this one has none.", () => new MuonOptimizer(empty).Dispose());
        Refused("The norm to clip to has to be 0 or above, and -1 is not.", () => new AdamWOptimizer(model, new AdamWSettings { ClipNorm = -1 }).Dispose());
        Refused("The learning rate has to be 0 or above, and NaN is not.", () => new AdamWOptimizer(model, new AdamWSettings { LearningRate = double.NaN }).Dispose());

        static void Refused(string message, Action action) => Assert.Equal(message, Assert.Throws<DynConvException>(action).Message);
    }

    [Fact]
    public void A_parameter_with_two_names_is_updated_once_by_an_optimizer_from_outside()
    {
        using var model = new Twice();
        using var optimizer = new Descent(model);
        using var trainer = new Trainer(optimizer);

        TrainingStep step = trainer.Step(() => Reduction.Sum(model.Weight));

        Assert.Equal(5, step.Loss);
        Assert.Equal([1.75f, 2.75f], model.Weight.Tensor.ToArray<float>());
        Assert.Equal(["a"], optimizer.Parameters.Select(pair => pair.Key));
    }

    private static void Backward(TwoLayers model, float factor = 1)
    {
        using var scope = new TensorScope();
        using var tape = new Tape();
        tape.Backward(model.Loss(0, 6, factor));
    }

    private sealed class Empty : Module;

    private sealed class Twice : Module
    {
        public Twice()
        {
            Weight = Add("a", new Parameter(Tensor.From([2f, 3f], [2]), ParameterKind.Matrix));
            Add("b", Weight);
        }

        public Parameter Weight { get; }
    }

    /// <summary>Gradient descent that keeps nothing.</summary>
    private sealed class Descent(Module module) : Optimizer(module, 0.25, clipNorm: 0)
    {
        protected override void Update(Parameter parameter, Tensor gradient, OptimizerUpdate update)
        {
            Tensor change = Elementwise.Scale(gradient, (float)-update.LearningRate * update.GradientScale);
            parameter.Tensor.Detach().CopyFrom(Elementwise.Add(parameter.Tensor.Detach(), change));
        }

        protected override IEnumerable<KeyValuePair<string, Tensor>> State() => [];
    }
}
