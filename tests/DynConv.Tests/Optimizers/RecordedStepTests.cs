using DynConv.Modules;
using DynConv.Ops;
using DynConv.Optimizers;
using DynConv.Tests.Cuda;

namespace DynConv.Tests.Optimizers;

/// <summary>Steps that run as a recording are those that are queued op by op.</summary>
[Trait("Uses", "compiler")]
public sealed class RecordedStepTests
{
    [Theory]
    [InlineData("adamw")]
    [InlineData("muon")]
    public void A_recording_has_the_bits_of_steps_that_are_queued_by_themselves(string kind)
    {
        Device device = CudaCard.Get();
        long before = device.Memory.LiveBuffers;
        (List<(double, double)> plain, Dictionary<string, float[]> values, _) = Train(device, kind, records: false);
        (List<(double, double)> recorded, Dictionary<string, float[]> same, long count) = Train(device, kind, records: true);

        Assert.Equal(plain, recorded);
        Assert.Equal(values, same);
        // The first step of a kind is queued, the others are recorded; another kind is queued in between.
        Assert.Equal(4, count);
        Assert.Equal(before, device.Memory.LiveBuffers);
    }

    [Fact]
    public void A_kind_that_stays_takes_the_recordings_place()
    {
        using var model = new TwoLayers(CudaCard.Get());
        using var optimizer = new AdamWOptimizer(model);
        using var trainer = new Trainer(optimizer);
        var recorded = new List<long>();
        foreach (int rows in new[] { 2, 2, 3, 3, 3, 2, 3 })
        {
            trainer.Step(Part(model, 0, rows));
            recorded.Add(trainer.RecordedSteps);
        }

        Assert.Equal([0, 1, 1, 2, 3, 3, 4], recorded);
    }

    [Fact]
    public void A_step_that_is_not_finite_is_found_and_named_and_training_goes_on()
    {
        Device device = CudaCard.Get();
        using var model = new TwoLayers(device);
        using var same = new TwoLayers(device);
        using var optimizer = new AdamWOptimizer(model);
        using var undisturbed = new AdamWOptimizer(same);
        using var trainer = new Trainer(optimizer);
        using var other = new Trainer(undisturbed) { RecordsSteps = false };
        for (int step = 0; step < 3; step++)
        {
            trainer.Step(Part(model, step, 3));
            other.Step(Part(same, step, 3));
        }

        var failure = Assert.Throws<NonFiniteStepException>(() =>
        {
            trainer.Step(MicroBatch.Of(() => [Tensor.Full([3, 6], float.NaN, DType.Float32, device), .. model.Draw(0, 3)[1..]], model.ReportedLoss, 0.5));
            trainer.Step(Part(model, 4, 3));
        });

        Assert.StartsWith("Step 4: the loss is NaN. rms_norm", failure.Message, StringComparison.Ordinal);
        Assert.Equal((3, 4), (trainer.StepCount, trainer.RecordedSteps));
        Assert.Equal(same.Values(), model.Values());
        trainer.Step(Part(model, 3, 3));
        other.Step(Part(same, 3, 3));
        Assert.Equal(same.Values(), model.Values());
        Assert.Equal(5, trainer.RecordedSteps);
    }

    [Fact]
    public void Losses_that_need_the_host_are_queued_each_time()
    {
        Device device = CudaCard.Get();
        using var model = new TwoLayers(device);
        using var same = new TwoLayers(device);
        using var optimizer = new AdamWOptimizer(model);
        using var undisturbed = new AdamWOptimizer(same);
        using var trainer = new Trainer(optimizer);
        using var other = new Trainer(undisturbed);
        long before = device.Memory.LiveBuffers;
        for (int step = 0; step < 3; step++)
        {
            int at = step;
            trainer.Step(MicroBatch.Of(() => model.Draw(at, 3), Waiting, 1));
            trainer.Step(MicroBatch.Of(() => model.Draw(at, 3), drawn => Elementwise.Scale(model.Loss(drawn), 1 + at), 1));
            other.Step(MicroBatch.Of(() => same.Draw(at, 3), same.ReportedLoss, 1));
            other.Step(() => same.Loss(at, 3, 1 + at));
        }

        Assert.Equal(0, trainer.RecordedSteps);
        Assert.Equal(same.Values(), model.Values());
        for (int step = 0; step < 3; step++)
        {
            trainer.Step(MicroBatch.Of(() => model.Draw(0, 3), Waiting, 1));
        }

        trainer.Finish();
        Assert.Equal(0, trainer.RecordedSteps);
        Assert.Equal("Work on a card that is recorded and run again has no place for a wait for the card.", trainer.RecordingFailure);
        Assert.Equal(before, device.Memory.LiveBuffers);

        MicroBatchLoss Waiting(Tensor[] drawn)
        {
            Tensor loss = model.Loss(drawn);
            Assert.True(float.IsFinite(loss.Item()));
            return loss;
        }
    }

    [Fact]
    public void A_recording_reads_weights_as_they_are_now_in_bfloat16_too()
    {
        Device device = CudaCard.Get();
        using var scope = new TensorScope();
        using var linear = new Linear(8, 8, new RandomSource(3), bias: false, device);
        using var same = new Linear(8, 8, new RandomSource(3), bias: false, device);
        using var optimizer = new AdamWOptimizer(linear);
        using var undisturbed = new AdamWOptimizer(same);
        using var trainer = new Trainer(optimizer);
        using var other = new Trainer(undisturbed) { RecordsSteps = false };
        Tensor weight = new RandomSource(5).Normal([8, 8], 1, device);
        for (int step = 0; step < 5; step++)
        {
            if (step == 3)
            {
                linear.Weight.Tensor.Detach().CopyFrom(weight);
                same.Weight.Tensor.Detach().CopyFrom(weight);
            }

            float[] values = [.. Enumerable.Range(0, 16).Select(i => MathF.Sin(i + step))];
            TrainingStep one = trainer.Step(MicroBatch.Of(() => [Tensor.From(values, [2, 8], device)], Loss, 1));
            TrainingStep two = other.Step(MicroBatch.Of(() => [Tensor.From(values, [2, 8], device)], LossOfSame, 1));
            Assert.Equal((two.Loss, two.GradientNorm), (one.Loss, one.GradientNorm));
        }

        Assert.Equal((4, 0), (trainer.RecordedSteps, other.RecordedSteps));
        Assert.Equal(same.Weight.Tensor.ToArray<float>(), linear.Weight.Tensor.ToArray<float>());

        MicroBatchLoss Loss(Tensor[] drawn) => LossOf(linear, drawn[0]);
        MicroBatchLoss LossOfSame(Tensor[] drawn) => LossOf(same, drawn[0]);
        static Tensor LossOf(Linear layer, Tensor x)
        {
            Tensor y = layer.Forward(x.To(DType.BFloat16));
            return CrossEntropy.Mean(y, Tensor.Zeros([2], DType.Int32, y.Device));
        }
    }

    private static (List<(double Loss, double Norm)> Figures, Dictionary<string, float[]> Values, long Recorded) Train(
        Device device, string kind, bool records)
    {
        using var model = new TwoLayers(device);
        using Optimizer optimizer = TrainerTests.Make(kind, model);
        using var trainer = new Trainer(optimizer, new LearningRateSchedule(ScheduleKind.Linear, Peak: 0.05, Final: 0, Steps: 6, WarmupSteps: 2)) { RecordsSteps = records };
        trainer.Prepare(Part(model, 0, 4), Part(model, 4, 4));
        List<TrainingStep> steps = [];
        for (int step = 0; step < 6; step++)
        {
            int rows = step == 3 ? 2 : 4;
            steps.Add(trainer.Step(Part(model, step, rows), Part(model, step + 9, rows)));

            // What else is computed takes the memory that a recording has given back, if it has given back any.
            using var scope = new TensorScope();
            Assert.True(float.IsFinite(model.Loss(step, 4).Item()));
            Tensor.Full([4, 8], float.NaN, DType.Float32, device);
        }

        trainer.Finish();
        return ([.. steps.Select(step => (step.Loss, step.GradientNorm))], model.Values(), trainer.RecordedSteps);
    }

    private static MicroBatch Part(TwoLayers model, int first, int rows) =>
        MicroBatch.Of(() => model.Draw(first, rows), model.ReportedLoss, 0.5);
}
