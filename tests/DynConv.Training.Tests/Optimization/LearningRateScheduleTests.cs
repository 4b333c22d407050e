using DynConv.Optimizers;
using DynConv.Training.Optimization;

namespace DynConv.Training.Tests.Optimization;

public sealed class LearningRateScheduleTests
{
    [Fact]
    public void The_rate_rises_along_a_line_and_falls_along_a_cosine()
    {
        var schedule = new LearningRateSchedule(ScheduleKind.Cosine, Peak: 2, Final: 0.5, Steps: 110, WarmupSteps: 10);

        Assert.Equal(0.2, schedule.At(1), 1e-15);
        Assert.Equal(1, schedule.At(5), 1e-15);
        Assert.Equal(2, schedule.At(10));
        Assert.Equal(0.5 + (1.5 * 0.5 * (1 + Math.Cos(Math.PI / 4))), schedule.At(35), 1e-15);
        Assert.Equal(1.25, schedule.At(60), 1e-15);
        Assert.Equal(0.5, schedule.At(110), 1e-15);
        for (long step = 11; step <= 110; step++)
        {
            Assert.True(schedule.At(step) < schedule.At(step - 1));
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(0.1)]
    [InlineData(0.99)]
    public void Any_share_of_warm_up_gives_rates_up_to_the_peak(double warmup)
    {
        TrainingConfiguration configuration = new TrainingConfiguration { Steps = 7, LearningRate = 1e-3, Warmup = warmup }.Resolve();
        LearningRateSchedule schedule = ScheduleSettings.Of(configuration);

        double[] rates = [.. Enumerable.Range(1, 7).Select(step => schedule.At(step))];

        Assert.All(rates, rate => Assert.InRange(rate, 0, 1e-3));
        Assert.Equal(warmup == 0.99 ? 1e-3 : 0, rates[^1], 1e-18);
        Assert.Equal((long)Math.Round(7 * warmup), schedule.WarmupSteps);
        Assert.True(rates[0] > 0);
    }

    [Fact]
    public void A_run_of_one_step_ends_at_the_final_rate()
    {
        TrainingConfiguration configuration = new TrainingConfiguration { Steps = 1, LearningRate = 1, FinalLearningRate = 0.25 }.Resolve();
        Assert.Equal(0.25, ScheduleSettings.Of(configuration).At(1), 1e-15);
    }

    [Fact]
    public void A_linear_schedule_falls_in_a_straight_line_to_its_end()
    {
        var schedule = new LearningRateSchedule(ScheduleKind.Linear, Peak: 2, Final: 0.5, Steps: 110, WarmupSteps: 10);

        Assert.Equal(1, schedule.At(5), 1e-15);
        Assert.Equal(2, schedule.At(10));
        Assert.Equal(2 - 0.015, schedule.At(11), 1e-15);
        Assert.Equal(1.25, schedule.At(60), 1e-15);
        Assert.Equal(0.5, schedule.At(110), 1e-15);
    }

    [Fact]
    public void Warm_up_stable_decay_stays_at_its_peak_and_falls_at_the_end()
    {
        var schedule = new LearningRateSchedule(
            ScheduleKind.WarmupStableDecay, Peak: 2, Final: 1, Steps: 100, WarmupSteps: 10, DecaySteps: 20);

        Assert.Equal(0.2, schedule.At(1), 1e-15);
        Assert.All(Enumerable.Range(10, 71), step => Assert.Equal(2, schedule.At(step)));
        Assert.Equal(1.95, schedule.At(81), 1e-15);
        Assert.Equal(1.5, schedule.At(90), 1e-15);
        Assert.Equal(1, schedule.At(100), 1e-15);
    }

    [Fact]
    public void A_constant_schedule_stays_at_its_peak_whatever_the_length()
    {
        var schedule = new LearningRateSchedule(ScheduleKind.Constant, Peak: 2, Final: 0, Steps: 20, WarmupSteps: 4);

        Assert.Equal(1.5, schedule.At(3), 1e-15);
        Assert.All(Enumerable.Range(4, 100), step => Assert.Equal(2, schedule.At(step)));
    }

    [Fact]
    public void A_longer_run_has_the_same_rates_up_to_where_the_shorter_one_falls()
    {
        TrainingConfiguration configuration = new() { Schedule = "wsd", Steps = 100, Warmup = 8, Decay = 10, LearningRate = 1 };
        LearningRateSchedule shorter = ScheduleSettings.Of(configuration.Resolve());
        LearningRateSchedule longer = ScheduleSettings.Of((configuration with { Steps = 300 }).Resolve());

        Assert.All(Enumerable.Range(1, 90), step => Assert.Equal(shorter.At(step), longer.At(step)));
        Assert.True(shorter.At(91) < 1);
        Assert.Equal(1, longer.At(290));
    }

    [Theory]
    [InlineData(0.25, 25)]
    [InlineData(1, 1)]
    [InlineData(30, 30)]
    [InlineData(1000, 100)]
    public void From_1_on_a_warm_up_is_a_number_of_steps(double warmup, long steps) =>
        Assert.Equal(steps, ScheduleSettings.Of(new TrainingConfiguration { Steps = 100, Warmup = warmup }.Resolve()).WarmupSteps);

    [Fact]
    public void A_decay_longer_than_the_run_begins_where_the_warm_up_ends()
    {
        var schedule = new LearningRateSchedule(
            ScheduleKind.WarmupStableDecay, Peak: 1, Final: 0, Steps: 10, WarmupSteps: 5, DecaySteps: 10);

        Assert.Equal(1, schedule.At(5));
        Assert.Equal(0.8, schedule.At(6), 1e-15);
        Assert.Equal(0, schedule.At(10));
    }

    [Theory]
    [InlineData("wsd", 1.5, null, 0, "warmup is 1.5; it has to be a share of the run below 1 or a whole number of steps.")]
    [InlineData("wsd", 0.1, -1.0, 0, "decay is -1")]
    [InlineData("cosine", 0.1, 0.5, 0, "decay is given, and only the schedule wsd has use for it, not cosine.")]
    [InlineData("constant", 0.1, null, 0.1, "final_learning_rate is given, and the schedule constant ends where it peaks.")]
    [InlineData("triangle", 0.1, null, 0, "schedule is 'triangle'; it can be cosine, linear, wsd, constant.")]
    public void Settings_that_make_no_schedule_are_refused(string schedule, double warmup, double? decay, double final, string message)
    {
        var configuration = new TrainingConfiguration { Schedule = schedule, Warmup = warmup, Decay = decay, FinalLearningRate = final };

        Assert.StartsWith(message, Assert.Throws<DynConvException>(configuration.Resolve).Message, StringComparison.Ordinal);
    }
}
