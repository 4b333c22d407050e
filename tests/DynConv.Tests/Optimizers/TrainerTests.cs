using DynConv.Modules;
using DynConv.Ops;
using DynConv.Optimizers;
using DynConv.Tests.Serialization;

namespace DynConv.Tests.Optimizers;

[Trait("Uses", "compiler")]
public sealed class TrainerTests
{
    private static readonly LearningRateSchedule Schedule = new(ScheduleKind.Cosine, Peak: 0.05, Final: 0, Steps: 12, WarmupSteps: 2);

    public static TheoryData<string, string> Kinds
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (string device in TestDevices.Float32Names)
            {
                data.Add(device, "adamw");
                data.Add(device, "muon");
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Kinds), DisableDiscoveryEnumeration = true)]
    public void Steps_bring_the_loss_down_and_leave_nothing_behind(string device, string kind)
    {
        MemoryPool memory = TestDevices.Get(device).Memory;
        long before = memory.LiveBuffers;
        using (var model = new TwoLayers(TestDevices.Get(device)))
        using (Optimizer optimizer = Make(kind, model))
        using (var trainer = new Trainer(optimizer, Schedule))
        {
            TrainingStep[] steps = [.. Enumerable.Range(0, 12).Select(_ => trainer.Step(() => model.Loss(0, 9)))];

            Assert.Equal(Enumerable.Range(1, 12).Select(number => (long)number), steps.Select(step => step.Number));
            Assert.All(steps, step => Assert.Equal(Schedule.At(step.Number), step.LearningRate));
            Assert.All(steps, step => Assert.InRange(step.GradientNorm, 1e-3, 1e3));
            Assert.True(steps[^1].Loss < 0.7 * steps[0].Loss, $"{steps[0].Loss} became {steps[^1].Loss}.");
            Assert.Equal(12, trainer.StepCount);
        }

        Assert.Equal(before, memory.LiveBuffers);
    }

    [Fact]
    public void Micro_batches_have_the_gradient_of_one_batch()
    {
        foreach (string device in TestDevices.Float32Names)
        {
            using var whole = new TwoLayers(TestDevices.Get(device));
            using var parts = new TwoLayers(TestDevices.Get(device));
            using var shared = new TwoLayers(TestDevices.Get(device));
            TrainingStep one = Step(whole, trainer => trainer.Step(() => whole.Loss(0, 12)));
            TrainingStep three = Step(parts, trainer => trainer.Step(() => parts.Loss(0, 4), () => parts.Loss(4, 4), () => parts.Loss(8, 4)));
            TrainingStep unequal = Step(shared, trainer => trainer.Step(
                new MicroBatch(() => shared.Loss(0, 3), 0.25),
                new MicroBatch(() => new MicroBatchLoss(shared.Loss(3, 9), shared.Loss(3, 9)), 0.75)));

            Assert.All([three, unequal], step => Assert.Equal(one.Loss, step.Loss, 1e-5));
            Assert.All([three, unequal], step => Assert.Equal(one.GradientNorm, step.GradientNorm, 1e-5));
            foreach (TwoLayers other in new[] { parts, shared })
            {
                Assert.All(whole.Values(), pair => Assert.All(pair.Value.Zip(other.Values()[pair.Key]), values => Assert.Equal(values.First, values.Second, 1e-5)));
            }
        }

        // A large epsilon makes a first update all but proportional to the gradient.
        static TrainingStep Step(TwoLayers model, Func<Trainer, TrainingStep> make)
        {
            using var optimizer = new AdamWOptimizer(model, new AdamWSettings { LearningRate = 1, Epsilon = 1, ClipNorm = 0 });
            using var trainer = new Trainer(optimizer);
            TrainingStep step = make(trainer);
            trainer.Finish();
            Assert.Equal(1, step.LearningRate);
            return step;
        }
    }

    [Fact]
    public void A_reported_loss_is_told_and_another_minimised()
    {
        using var model = new TwoLayers(Device.Cpu);
        using var optimizer = new AdamWOptimizer(model);
        using var trainer = new Trainer(optimizer);
        using var scope = new TensorScope();
        Tensor seven = Tensor.From([7f], []);

        TrainingStep step = trainer.Step(new MicroBatch(() => new MicroBatchLoss(model.Loss(0, 2), seven), 0.5));

        Assert.Equal(3.5, step.Loss);
        Assert.True(step.GradientNorm > 0);
        Assert.Equal(7, seven.Item());
    }

    [Theory]
    [MemberData(nameof(Kinds), DisableDiscoveryEnumeration = true)]
    public void A_training_that_was_saved_goes_on_to_the_same_bits(string device, string kind)
    {
        using var folder = new TemporaryFolder();
        using var model = new TwoLayers(TestDevices.Get(device));
        using var other = new TwoLayers(TestDevices.Get(device));
        using Optimizer optimizer = Make(kind, model);
        using var trainer = new Trainer(optimizer, Schedule);
        using Optimizer loaded = Make(kind, other);
        using var later = new Trainer(loaded, Schedule);
        later.Step(() => other.Loss(50, 1));

        Steps(trainer, model, 0, 4);
        trainer.Save(folder["place.safetensors"]);
        other.CopyFrom(model);
        Steps(trainer, model, 4, 7);
        later.Load(folder["place.safetensors"]);
        Assert.Equal(4, later.StepCount);
        Steps(later, other, 4, 7);

        Assert.Equal(model.Values(), other.Values());
    }

    [Theory]
    [MemberData(nameof(Kinds), DisableDiscoveryEnumeration = true)]
    public void A_step_that_is_not_finite_changes_nothing_and_names_the_op(string device, string kind)
    {
        using var model = new TwoLayers(TestDevices.Get(device));
        using Optimizer optimizer = Make(kind, model);
        using var trainer = new Trainer(optimizer, Schedule);
        Steps(trainer, model, 0, 2);
        trainer.Finish();
        Dictionary<string, float[]> before = model.Values();

        foreach ((float factor, string problem) in new[] { (float.NaN, "the loss is NaN. scale"), (1e38f, "the norm of the gradient is Infinity.") })
        {
            var failure = Assert.Throws<NonFiniteStepException>(() =>
            {
                trainer.Step(() => model.Loss(0, 3, factor));
                trainer.Step(() => model.Loss(1, 3));
            });

            Assert.StartsWith($"Step 3: {problem}", failure.Message, StringComparison.Ordinal);
            Assert.EndsWith("A lower learning rate often helps (now 0.0488).", failure.Message, StringComparison.Ordinal);
            Assert.Equal((3, 2), (failure.Step, trainer.StepCount));
            Assert.Equal(before, model.Values());
            Assert.All(model.NamedParameters(), pair => Assert.Null(pair.Value.Gradient));
        }

        // Whoever catches it goes on as if that step had never been.
        using var same = new TwoLayers(TestDevices.Get(device));
        using Optimizer undisturbed = Make(kind, same);
        using var other = new Trainer(undisturbed, Schedule);
        Steps(other, same, 0, 4);
        Steps(trainer, model, 2, 4);
        Assert.Equal(same.Values(), model.Values());
    }

    [Fact]
    public void What_cannot_be_run_again_is_said_to_be_gone()
    {
        using var model = new TwoLayers(Device.Cpu);
        using var optimizer = new AdamWOptimizer(model);
        using var trainer = new Trainer(optimizer);
        Tensor? factor = Tensor.From([float.NaN], []);

        string message = Assert.Throws<NonFiniteStepException>(() => trainer.Step(() =>
        {
            using var scope = new TensorScope();
            Tensor loss = scope.Keep(Elementwise.Multiply(model.Loss(0, 2), factor));
            factor.Dispose();
            return loss;
        })).Message;

        Assert.Contains("What the loss was computed from is gone", message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_loss_that_fails_leaves_no_gradient_and_no_step()
    {
        using var model = new TwoLayers(Device.Cpu);
        using var optimizer = new AdamWOptimizer(model);
        using var trainer = new Trainer(optimizer);
        long before = Device.Cpu.Memory.LiveBuffers;

        Assert.Throws<InvalidOperationException>(() => trainer.Step(() => model.Loss(0, 2), () => throw new InvalidOperationException()));
        Refused("A training step needs at least one loss.", () => trainer.Step(Array.Empty<MicroBatch>()));
        Refused("A loss has to be a float32 number, and this one is float32 [2]; take a mean.", () => trainer.Step(() => Tensor.Zeros([2])));
        Refused("A loss has to be a float32 number, and there is none.", () => trainer.Step(() => null!));

        Assert.Equal((before, 0), (Device.Cpu.Memory.LiveBuffers, trainer.StepCount));
        trainer.Dispose();
        Assert.Throws<ObjectDisposedException>(() => trainer.Step(() => model.Loss(0, 2)));

        static void Refused(string message, Action step) => Assert.Equal(message, Assert.Throws<DynConvException>(step).Message);
    }

    [Fact]
    public void Preparing_makes_no_step()
    {
        foreach (string device in TestDevices.Float32Names)
        {
            using var model = new TwoLayers(TestDevices.Get(device));
            using Optimizer optimizer = Make("muon", model);
            using var trainer = new Trainer(optimizer, Schedule);
            Dictionary<string, float[]> before = model.Values();

            trainer.Prepare(() => model.Loss(0, 3));

            Assert.Equal(before, model.Values());
            Assert.Equal(0, trainer.StepCount);
            Assert.Equal(0, trainer.Prepare(() => model.Loss(0, 3)));
            Assert.True(double.IsFinite(trainer.Step(() => model.Loss(0, 3)).Loss));
        }
    }

    internal static Optimizer Make(string kind, Module module) =>
        kind == "muon" ? new MuonOptimizer(module) : new AdamWOptimizer(module);

    private static void Steps(Trainer trainer, TwoLayers model, int first, int end)
    {
        for (int step = first; step < end; step++)
        {
            int at = step;
            trainer.Step(() => model.Loss(at, 5), () => model.Loss(at + 1, 2));
        }
    }
}
