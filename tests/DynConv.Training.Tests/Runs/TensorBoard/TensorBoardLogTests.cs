using System.Text;
using DynConv.Training.Runs;
using DynConv.Training.Runs.TensorBoard;

namespace DynConv.Training.Tests.Runs.TensorBoard;

public sealed class TensorBoardLogTests
{
    [Fact]
    public void The_reader_of_these_tests_knows_the_checksum() =>
        Assert.Equal(0xE3069283, EventReader.Crc32C(Encoding.ASCII.GetBytes("123456789")));

    [Fact]
    public void A_run_is_told_step_by_step()
    {
        using var run = new TinyRun();
        var recorder = new Recorder();
        using (var log = new TensorBoardLog(run["run"]))
        {
            TrainingRun.Start(run.Configuration, run["run"], new TrainingObservers(recorder, log), recorder.Stop);
        }

        List<ReadEvent> events = EventReader.Read(Assert.Single(EventFiles(run)));
        Assert.Equal("brain.Event:2", events[0].FileVersion);
        Assert.All(events, one => Assert.InRange(DateTimeOffset.UtcNow.ToUnixTimeSeconds() - one.WallTime, -1, 600));
        List<ReadEvent> steps = [.. events.Where(one => one.Scalars.ContainsKey("loss/train"))];
        Assert.Equal(recorder.Steps.Select(step => step.Step), steps.Select(one => one.Step));
        foreach ((StepMetrics step, ReadEvent told) in recorder.Steps.Zip(steps))
        {
            Assert.Equal((float)step.Loss, told.Scalars["loss/train"]);
            Assert.Equal((float)step.LearningRate, told.Scalars["learning_rate"]);
            Assert.Equal((float)step.GradientNorm, told.Scalars["gradient_norm"]);
            Assert.Equal((float)step.TokensPerSecond, told.Scalars["tokens_per_second"]);
        }

        Assert.Equal(
            recorder.Validations.Select(validation => (validation.Step, (float)validation.Result.Loss)),
            events.Where(one => one.Scalars.ContainsKey("loss/valid")).Select(one => (one.Step, one.Scalars["loss/valid"])));
    }

    [Fact]
    public void A_resumed_run_says_from_where_the_earlier_file_no_longer_counts()
    {
        using var run = new TinyRun();
        var died = new Recorder { DieAfter = 8 };
        using (var log = new TensorBoardLog(run["run"]))
        {
            Assert.Throws<Recorder.DeathException>(() =>
                TrainingRun.Start(run.Configuration, run["run"], new TrainingObservers(log, died), died.Stop));
        }

        var recorder = new Recorder();
        using (var log = new TensorBoardLog(run["run"]))
        {
            TrainingRun.Resume(run["run"], new TrainingObservers(log, recorder), recorder.Stop);
        }

        string[] files = EventFiles(run);
        Assert.Equal(2, files.Length);
        Assert.DoesNotContain(EventReader.Read(files[0]), one => one.Session is not null);
        ReadEvent session = Assert.Single(EventReader.Read(files[1]), one => one.Session == 1);
        Assert.Equal(recorder.Begun!.FirstStep, session.Step);
        Assert.Equal(7, session.Step);
    }

    [Fact]
    public void A_run_that_comes_to_nothing_leaves_no_event_file()
    {
        using var run = new TinyRun();
        run.Configuration = run.Configuration with { LearningRate = 10, ClipNorm = 0, Data = [run["missing.txt"]] };
        using var log = new TensorBoardLog(run["run"]);
        Assert.Throws<DynConvException>(() => TrainingRun.Start(run.Configuration, run["run"], log));
        Assert.False(Directory.Exists(run["run"]));
    }

    private static string[] EventFiles(TinyRun run) =>
        [.. Directory.GetFiles(run["run"], "events.out.tfevents.*").Order(StringComparer.Ordinal)];
}
