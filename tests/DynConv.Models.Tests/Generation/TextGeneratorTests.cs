using DynConv.Models.Generation;

namespace DynConv.Models.Tests.Generation;

public sealed class TextGeneratorTests
{
    private const int Width = 4;
    private static readonly SamplingOptions Greedy = new() { Temperature = 0 };
    private static readonly int[] Text = [3, 17, 8, 1, 28, 0, 9, 9, 14, 22, 5, 11];

    public static TheoryData<string> Variants => [.. TinyModels.Variants];

    [Theory]
    [MemberData(nameof(Variants))]
    public void Greedy_text_equals_that_of_reading_the_whole_prefix_at_each_step(string variant)
    {
        using LanguageModel model = TinyModels.Random(variant);
        foreach (int length in new[] { 1, 2, Width - 1, 5 })
        {
            int[] prompt = Text[..length];
            int[] made = Generate(model, prompt, 10);
            Assert.Equal(Recompute(model, prompt, 10), made);
        }
    }

    [Theory]
    [InlineData("none")]
    [InlineData("headwise all qknorm untied")]
    [InlineData("lowrank all")]
    public void Text_beyond_the_context_goes_on_from_its_later_half(string variant)
    {
        using LanguageModel model = TinyModels.Random(variant);
        int[] made = Generate(model, Text, 40);

        Assert.Equal(40, made.Length);
        Assert.Equal(Recompute(model, Text, 40), made);
    }

    [Fact]
    public void Of_a_prompt_longer_than_the_context_the_end_counts()
    {
        using LanguageModel model = TinyModels.Random("lowrank qkv");
        int[] prompt = [.. Text, .. Text, .. Text];
        int context = model.Configuration.MaxPositions;

        Assert.Equal(Generate(model, prompt[^context..], 12), Generate(model, prompt, 12));
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void Scores_are_the_same_however_the_text_is_cut(string variant)
    {
        using LanguageModel model = TinyModels.Random(variant);
        float[] whole = Scores(model, [Text.Length]);
        foreach (int[] cuts in new[] { new[] { 7, 5 }, [1, 11], [11, 1], [2, 1, 1, 3, 5], [.. Enumerable.Repeat(1, Text.Length)] })
        {
            float[] parts = Scores(model, cuts);

            // The order of the sums in a product depends on its number of rows.
            Assert.All(whole.Zip(parts), pair => Assert.Equal(pair.First, pair.Second, 2e-5f * whole.Max(Math.Abs)));
        }
    }

    [Fact]
    public void Sequences_side_by_side_do_not_touch_each_other()
    {
        using LanguageModel model = TinyModels.Random("lowrank all");
        using var scope = new TensorScope();
        using ModelState state = model.CreateState(2, 16);
        int[] other = [.. Text.Reverse()];
        using ModelState alone = model.CreateState(1, 16);
        for (int t = 0; t < Text.Length; t++)
        {
            float[] both = model.Forward(Tensor.From(new[] { other[t], Text[t] }, [2, 1]), state).ToArray<float>();
            float[] one = model.Forward(Tensor.From(new[] { Text[t] }, [1, 1]), alone).ToArray<float>();
            Assert.All(one.Zip(both[one.Length..]), pair => Assert.Equal(pair.First, pair.Second, 2e-5f * one.Max(Math.Abs)));
        }
    }

    [Fact]
    public void The_same_seed_gives_the_same_text_and_another_seed_another()
    {
        using LanguageModel model = TinyModels.Random("lowrank qkv");
        int[] Make(ulong seed) => Generate(model, [1], 60, new SamplingOptions { Seed = seed });

        Assert.Equal(Make(5), Make(5));
        Assert.NotEqual(Make(5), Make(6));
    }

    [Fact]
    public void The_end_of_the_text_ends_it_and_is_not_part_of_it()
    {
        using LanguageModel model = TinyModels.Random("none");
        int[] made = Generate(model, Text, 10);
        int end = made[^1];

        Assert.Equal(made.TakeWhile(id => id != end), Generate(model, Text, 10, endTokens: [end]));
    }

    [Fact]
    public void Each_of_several_end_tokens_ends_the_text()
    {
        using LanguageModel model = TinyModels.Random("none");
        var varied = new SamplingOptions { Temperature = 3 };
        int[] made = [.. Generate(model, Text, 30, varied)];
        int first = made[0];
        int other = made.First(id => id != first);

        Assert.Equal(made.TakeWhile(id => id != other), Generate(model, Text, 30, varied, [other]));
        Assert.Empty(Generate(model, Text, 30, varied, [other, first]));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(5)]
    public void Ids_that_are_no_tokens_are_never_chosen_unless_they_end_the_text(double temperature)
    {
        using LanguageModel model = TinyModels.Random("none");
        var options = new SamplingOptions { Temperature = temperature };
        static bool IsToken(int id) => id < 20 && id % 2 == 0;

        Assert.All(Generate(model, Text, 60, options, isToken: IsToken), id => Assert.True(IsToken(id)));
        Assert.Contains(Generate(model, Text, 60, options), id => !IsToken(id));
        Assert.Empty(Generate(model, Text, 60, options, [25], static _ => false));
    }

    [Fact]
    public void A_prompt_with_an_id_that_the_model_lacks_is_refused()
    {
        using LanguageModel model = TinyModels.Random("none");
        DynConvException failure = Assert.Throws<DynConvException>(() => Generate(model, [3, 29], 1));
        Assert.Equal("The prompt has the token id 29, and the model's ids end with 28.", failure.Message);
    }

    [Fact]
    public void A_repetition_penalty_looks_at_the_prompt_and_at_what_was_made()
    {
        using LanguageModel model = TinyModels.Random("none");
        int[] made = Generate(model, [1], 29, new SamplingOptions { Temperature = 0, RepetitionPenalty = 1e30 });

        // Scores above 0 become nothing and those below become endless: each token comes once before any comes again.
        int likely = made.TakeWhile((id, i) => id != 1 && Array.IndexOf(made, id) == i).Count();
        Assert.InRange(likely, 5, 28);
        Assert.True(Generate(model, [1], 29).Distinct().Count() < likely);
    }

    [Fact]
    public void A_text_can_be_broken_off()
    {
        using LanguageModel model = TinyModels.Random("none");
        using var cancellation = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        var made = new List<int>();
        foreach (int id in TextGenerator.Generate(model, Text, 10, Greedy, cancellation: cancellation.Token))
        {
            made.Add(id);
            if (made.Count == 3)
            {
                cancellation.Cancel();
            }
        }

        Assert.Equal(3, made.Count);
    }

    [Theory]
    [InlineData("lowrank all")]
    [InlineData("headwise all qknorm untied")]
    public void A_text_leaves_no_tensor_behind(string variant)
    {
        using LanguageModel model = TinyModels.Random(variant);
        Generate(model, Text, 3);
        long before = Device.Cpu.Memory.LiveBuffers;

        Generate(model, Text, 30);
        int first = TextGenerator.Generate(model, Text, 30, Greedy, cancellation: TestContext.Current.CancellationToken).First();

        Assert.InRange(first, 0, 28);

        Assert.Equal(before, Device.Cpu.Memory.LiveBuffers);
    }

    [Fact]
    public void A_long_context_costs_no_memory_that_the_text_does_not_fill()
    {
        using var model = new LanguageModel(TinyModels.Plain with { MaxPositions = 1 << 20 });
        MemoryPool memory = Device.Cpu.Memory;
        Generate(model, Text, 3);
        long before = memory.LiveBytes;
        memory.ResetPeak();

        Generate(model, Text, 3);

        // Keys and values of the whole context would take 128 MiB.
        Assert.InRange(memory.PeakLiveBytes - before, 1, 1 << 20);
    }

    [Fact]
    public void Wrong_arguments_are_named_at_once()
    {
        using LanguageModel model = TinyModels.Random("none");
        Assert.Equal(
            "A prompt needs at least one token.",
            Assert.Throws<DynConvException>(() => Generate(model, [], 1)).Message);
        Assert.Equal(
            "max-tokens is -1; it has to be 0 or more.",
            Assert.Throws<DynConvException>(() => Generate(model, [1], -1)).Message);
        Assert.Equal(
            "The temperature is -1; it has to be 0 or more.",
            Assert.Throws<DynConvException>(() => Generate(model, [1], 1, new SamplingOptions { Temperature = -1 })).Message);
    }

    private static int[] Generate(
        LanguageModel model, int[] prompt, int count, SamplingOptions? options = null, int[]? endTokens = null, Func<int, bool>? isToken = null) =>
        [.. TextGenerator.Generate(model, prompt, count, options ?? Greedy, endTokens, isToken, TestContext.Current.CancellationToken)];

    /// <summary>What greedy generation is defined as: the whole visible prefix is read anew for each token.</summary>
    private static int[] Recompute(LanguageModel model, int[] prompt, int count)
    {
        int context = model.Configuration.MaxPositions;
        List<int> seen = [.. prompt];
        int first = Math.Max(0, seen.Count - context);
        for (int i = 0; i < count; i++)
        {
            if (seen.Count - first > context)
            {
                first = seen.Count - ((context + 1) / 2);
            }

            using var scope = new TensorScope();
            float[] scores = model.Forward(TinyModels.Ids([.. seen[first..]]), lastOnly: true).ToArray<float>();
            seen.Add(Array.IndexOf(scores, scores.Max()));
        }

        return [.. seen[prompt.Length..]];
    }

    private static float[] Scores(LanguageModel model, int[] cuts)
    {
        using var scope = new TensorScope();
        using ModelState state = model.CreateState(1, Text.Length);
        var scores = new List<float>();
        int start = 0;
        foreach (int length in cuts)
        {
            scores.AddRange(model.Forward(TinyModels.Ids(Text[start..(start + length)]), state).ToArray<float>());
            start += length;
        }

        return [.. scores];
    }
}
