using DynConv.Training.Optimization;

namespace DynConv.Training.Tests.Optimization;

public sealed class LearningRateScheduleTests
{
    [Fact]
    public void The_rate_rises_along_a_line_and_falls_along_a_cosine()
    {
        var schedule = new LearningRateSchedule(Peak: 2, Final: 0.5, Steps: 110, WarmupSteps: 10);

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
    [InlineData(1)]
    public void Any_share_of_warm_up_gives_rates_up_to_the_peak(double warmup)
    {
        TrainingConfiguration configuration = new TrainingConfiguration { Steps = 7, LearningRate = 1e-3, Warmup = warmup }.Resolve();
        LearningRateSchedule schedule = LearningRateSchedule.Of(configuration);

        double[] rates = [.. Enumerable.Range(1, 7).Select(step => schedule.At(step))];

        Assert.All(rates, rate => Assert.InRange(rate, 0, 1e-3));
        Assert.Equal(warmup == 1 ? 1e-3 : 0, rates[^1], 1e-18);
        Assert.Equal((long)Math.Round(7 * warmup), schedule.WarmupSteps);
        Assert.True(rates[0] > 0);
    }

    [Fact]
    public void A_run_of_one_step_ends_at_the_final_rate()
    {
        TrainingConfiguration configuration = new TrainingConfiguration { Steps = 1, LearningRate = 1, FinalLearningRate = 0.25 }.Resolve();
        Assert.Equal(0.25, LearningRateSchedule.Of(configuration).At(1), 1e-15);
    }
}
