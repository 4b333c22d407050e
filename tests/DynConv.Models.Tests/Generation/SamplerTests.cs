using DynConv.Models.Generation;

namespace DynConv.Models.Tests.Generation;

public sealed class SamplerTests
{
    // Probabilities 0.4, 0.3, 0.2, 0.1, in an order that is not theirs.
    private static readonly double[] Probabilities = [0.2, 0.4, 0.1, 0.3];
    private static readonly float[] Logits = [.. Probabilities.Select(p => (float)Math.Log(p) + 5)];

    public static TheoryData<SamplingOptions> Likeliest => new()
    {
        { new SamplingOptions { Temperature = 0 } },
        { new SamplingOptions { TopK = 1 } },
        { new SamplingOptions { TopP = 1e-9 } },
        { new SamplingOptions { TopP = 0.39 } },
        { new SamplingOptions { Temperature = 1e-3 } },
        { new SamplingOptions { TopK = 2, TopP = 0.5 } },
    };

    [Theory]
    [MemberData(nameof(Likeliest))]
    public void Only_the_likeliest_token_is_chosen(SamplingOptions options)
    {
        var sampler = new Sampler(options);
        Assert.All(Enumerable.Range(0, 200), _ => Assert.Equal(1, sampler.Choose(Logits)));
    }

    [Theory]
    [InlineData(1, 0, 1, new[] { 0.2, 0.4, 0.1, 0.3 })]
    [InlineData(0.5, 0, 1, new[] { 4 / 30.0, 16 / 30.0, 1 / 30.0, 9 / 30.0 })]
    [InlineData(1, 2, 1, new[] { 0, 4 / 7.0, 0, 3 / 7.0 })]
    [InlineData(1, 9, 1, new[] { 0.2, 0.4, 0.1, 0.3 })]
    [InlineData(1, 0, 0.6, new[] { 0, 4 / 7.0, 0, 3 / 7.0 })]
    [InlineData(1, 3, 0.7, new[] { 0, 4 / 7.0, 0, 3 / 7.0 })]
    public void Tokens_come_as_often_as_they_should(double temperature, int topK, double topP, double[] wanted)
    {
        const int Draws = 20_000;
        var sampler = new Sampler(new SamplingOptions { Temperature = temperature, TopK = topK, TopP = topP, Seed = 3 });
        var counts = new int[wanted.Length];
        for (int i = 0; i < Draws; i++)
        {
            counts[sampler.Choose(Logits)]++;
        }

        for (int id = 0; id < wanted.Length; id++)
        {
            // Four standard deviations of a share; the seed is fixed, so that this either holds or does not.
            double margin = 4 * Math.Sqrt(wanted[id] * (1 - wanted[id]) / Draws);
            Assert.InRange(counts[id] / (double)Draws, wanted[id] - margin, wanted[id] + margin);
        }
    }

    [Theory]
    [InlineData(0.6, 1, 0, new[] { 0, 4 / 7.0, 0, 3 / 7.0 })]
    [InlineData(0.4, 1, 0, new[] { 0.2 / 0.9, 0.4 / 0.9, 0, 0.3 / 0.9 })]
    [InlineData(1, 1, 0, new[] { 0, 1.0, 0, 0 })]
    [InlineData(0.6, 0.8, 3, new[] { 0, 4 / 7.0, 0, 3 / 7.0 })]
    public void Min_p_is_a_share_of_the_largest_probability(double minP, double topP, int topK, double[] wanted)
    {
        double[] shares = Shares(new Sampler(new SamplingOptions { MinP = minP, TopP = topP, TopK = topK, Seed = 3 }), Logits);
        Assert.All(wanted.Zip(shares), pair => Assert.InRange(pair.Second, pair.First - 0.015, pair.First + 0.015));
        Assert.All(wanted.Zip(shares).Where(pair => pair.First == 0), pair => Assert.Equal(0, pair.Second));
    }

    [Fact]
    public void Ids_that_never_come_leave_their_share_to_the_others()
    {
        double[] shares = Shares(new Sampler(new SamplingOptions { Seed = 3 }, never: [1, 2]), Logits);
        Assert.Equal((0, 0), (shares[1], shares[2]));
        Assert.InRange(shares[0], 0.4 - 0.015, 0.4 + 0.015);
        Assert.Equal(0, new Sampler(new SamplingOptions { Temperature = 0 }, never: [1, 3]).Choose(Logits));
        Assert.Contains("no token", Assert.Throws<DynConvException>(() => new Sampler(new SamplingOptions(), never: [0]).Choose([1])).Message);
    }

    [Fact]
    public void The_repetition_penalty_divides_scores_above_zero_and_multiplies_those_below()
    {
        // After the penalty: 1, 1.5, -4, -3.
        var sampler = new Sampler(new SamplingOptions { RepetitionPenalty = 2, TopK = 1 });
        Assert.Equal(1, sampler.Choose([2, 1.5f, -2, -3], [0, 0, 2]));
        Assert.Equal(3, new Sampler(new SamplingOptions { RepetitionPenalty = 2, TopK = 1 }, never: [0, 1]).Choose([2, 1.5f, -2, -3], [0, 2]));
        Assert.Equal(2, new Sampler(new SamplingOptions { TopK = 1 }, never: [0, 1]).Choose([2, 1.5f, -2, -3], [0, 2]));
    }

    [Fact]
    public void Of_equal_scores_the_lowest_id_is_the_likeliest() =>
        Assert.Equal(1, new Sampler(new SamplingOptions { TopK = 1 }).Choose([0, 2, 2, 1]));

    [Fact]
    public void Scores_of_any_size_are_no_problem()
    {
        var sampler = new Sampler(new SamplingOptions());
        Assert.Equal(2, sampler.Choose([-3e38f, float.NegativeInfinity, 3e38f, 0]));
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void Scores_of_a_broken_model_are_refused(float score)
    {
        DynConvException failure = Assert.Throws<DynConvException>(() => new Sampler(new SamplingOptions()).Choose([0, 1, score]));
        Assert.StartsWith("The model scores token 2 with ", failure.Message);
    }

    [Fact]
    public void Options_out_of_range_are_named()
    {
        Assert.Contains("temperature is NaN", Message(new SamplingOptions { Temperature = double.NaN }));
        Assert.Contains("top-k is -1", Message(new SamplingOptions { TopK = -1 }));
        Assert.Contains("top-p is 0", Message(new SamplingOptions { TopP = 0 }));
        Assert.Contains("top-p is 1.5", Message(new SamplingOptions { TopP = 1.5 }));
        Assert.Contains("min-p is -0.1", Message(new SamplingOptions { MinP = -0.1 }));
        Assert.Contains("repetition penalty is 0", Message(new SamplingOptions { RepetitionPenalty = 0 }));
    }

    private static double[] Shares(Sampler sampler, float[] logits)
    {
        const int Draws = 20_000;
        var counts = new int[logits.Length];
        for (int i = 0; i < Draws; i++)
        {
            counts[sampler.Choose(logits)]++;
        }

        return [.. counts.Select(count => count / (double)Draws)];
    }

    private static string Message(SamplingOptions options) => Assert.Throws<DynConvException>(() => new Sampler(options)).Message;
}
