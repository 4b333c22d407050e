using DynConv.Models;
using DynConv.Models.Tokenizers;
using DynConv.Tests;
using DynConv.Training.Data;
using DynConv.Training.Evaluation;
using DynConv.Training.Tests.Runs;

namespace DynConv.Training.Tests.Evaluation;

public sealed class EvaluatorTests
{
    private const int Context = 16;

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(64)]
    public void The_loss_is_the_mean_over_all_tokens_but_the_first(int batch)
    {
        using var run = new TinyRun();
        using LanguageModel model = Model();
        byte[] text = File.ReadAllBytes(Write(run, 203));
        using TokenDataset data = Open(run);

        EvaluationResult result = Evaluator.Evaluate(model, data, Context, batch);

        double sum = DirectSum(model, [.. text.Select(value => (int)value), 256], long.MaxValue);
        Assert.Equal(text.Length, result.Tokens);
        Assert.Equal(text.Length - 1, result.Bytes);
        Assert.Equal(sum / text.Length, result.Loss, 1e-5);
        Assert.Equal(Math.Exp(result.Loss), result.Perplexity);
        Assert.Equal(result.Loss * text.Length / Math.Log(2) / (text.Length - 1), result.BitsPerByte, 1e-12);
    }

    [Fact]
    public void A_limit_of_tokens_takes_windows_from_all_over_the_text()
    {
        using var run = new TinyRun();
        using LanguageModel model = Model();
        byte[] text = File.ReadAllBytes(Write(run, 203));
        using TokenDataset data = Open(run);

        EvaluationResult result = Evaluator.Evaluate(model, data, Context, batch: 2, maxTokens: 33);

        // 33 tokens are three windows of the text's thirteen.
        int[] tokens = [.. text.Select(value => (int)value)];
        double sum = new[] { 0, 4, 8 }.Sum(window =>
            DirectSum(model, tokens, (window + 1) * Context) - DirectSum(model, tokens, window * Context));
        Assert.Equal(3 * Context, result.Tokens);
        Assert.Equal(sum / (3 * Context), result.Loss, 1e-5);
    }

    [Fact]
    public void Of_text_shorter_than_a_context_the_context_is_the_text()
    {
        using var run = new TinyRun();
        using LanguageModel model = Model();
        string path = Write(run, 9);

        EvaluationResult result = Evaluator.EvaluateText(model, new ByteTokenizer(), [path], null, 8);

        Assert.Equal(9, result.Tokens);
    }

    [Fact]
    public void A_context_longer_than_the_models_is_refused()
    {
        using var run = new TinyRun();
        using LanguageModel model = Model();
        string path = Write(run, 500);

        DynConvException failure = Assert.Throws<DynConvException>(
            () => Evaluator.EvaluateText(model, new ByteTokenizer(), [path], Context + 1, 8));
        Assert.Equal("A context of 17 does not fit the model; it can be 1 to 16.", failure.Message);
    }

    [Fact]
    public void A_tokenizer_may_have_more_ids_than_the_model_as_long_as_no_text_has_them()
    {
        using var run = new TinyRun();
        using LanguageModel model = Model(vocabulary: 128);
        string path = Write(run, 500);
        ITokenizer tokenizer = new ByteTokenizer().WithEndOfText(10);

        EvaluationResult result = Evaluator.EvaluateText(model, tokenizer, [path], null, 8);
        Assert.Equal(500, result.Tokens);

        File.AppendAllText(path, "é");
        DynConvException failure = Assert.Throws<DynConvException>(() => Evaluator.EvaluateText(model, tokenizer, [path], null, 8));
        Assert.Equal("The text has the token '\uFFFD' of id 195, and the model's ids end with 127: tokenizer and model do not belong together.", failure.Message);
    }

    [Theory]
    [InlineData("bos-template", true, 6.382754, 28)]
    [InlineData("bos-template", false, 5.989664, 27)]
    [InlineData("end-token-by-config", true, 6.752846, 27)]
    [InlineData("padded-vocabulary", true, 6.579793, 27)]
    [InlineData("tied-head-only", true, 6.201339, 27)]
    [InlineData("tokenizer-larger", true, 6.201339, 27)]
    public void Models_of_other_tools_have_the_loss_that_a_plain_program_works_out(string name, bool template, double loss, long tokens)
    {
        // The figures are of a program in float64 that reads the files by itself: the template's tokens, the text, the end token.
        string folder = Path.Combine(Repository.Folder, "tests", "cases", "models");
        using LanguageModel model = ModelFolder.Load(Path.Combine(folder, name));
        ITokenizer tokenizer = ModelTokenizer.Load(Path.Combine(folder, name), template).Tokenizer;

        EvaluationResult result = Evaluator.EvaluateText(model, tokenizer, [Path.Combine(folder, "t.txt")]);

        Assert.Equal(loss, result.Loss, 2e-6);
        Assert.Equal(tokens, result.Tokens);
        Assert.Equal(template && name == "bos-template" ? 27 : 26, result.Bytes);
    }

    [Fact]
    public void Evaluation_leaves_neither_tensors_nor_files_behind()
    {
        using var run = new TinyRun();
        using LanguageModel model = Model();
        string path = Write(run, 500);
        long buffers = Device.Cpu.Memory.LiveBuffers;
        int folders = Folders();

        Evaluator.EvaluateText(model, new ByteTokenizer(), [path], null, 8);
        Assert.Throws<DynConvException>(() => Evaluator.EvaluateText(model, new ByteTokenizer(), [run["nowhere"]], null, 8));

        Assert.Equal(buffers, Device.Cpu.Memory.LiveBuffers);
        Assert.Equal(folders, Folders());
    }

    private static int Folders() => Directory.GetDirectories(Path.GetTempPath(), "dynconv-eval-*").Length;

    private static LanguageModel Model(int vocabulary = 257) => new(new TrainingConfiguration
    {
        Rank = 3,
        Context = Context,
        Model = new ModelOverrides { HiddenSize = 8, IntermediateSize = 12, Layers = 1, AttentionHeads = 2 },
    }.ModelConfiguration(vocabulary));

    private static string Write(TinyRun run, int length)
    {
        File.WriteAllText(run["eval.txt"], TinyRun.Words(length)[..length]);
        return run["eval.txt"];
    }

    private static TokenDataset Open(TinyRun run) =>
        TokenCache.OpenOrEncode(run["tokens"], TextSource.Find([run["eval.txt"]]), new ByteTokenizer());

    /// <summary>Sums -log softmax in float64, window after window, from the model's scores.</summary>
    private static double DirectSum(LanguageModel model, int[] tokens, long limit)
    {
        double sum = 0;
        for (int start = 0; start < Math.Min(limit, tokens.Length - 1); start += Context)
        {
            using var scope = new TensorScope();
            int length = Math.Min(Context, tokens.Length - 1 - start);
            float[] scores = model.Forward(Tensor.From(tokens[start..(start + length)], [1, length])).ToArray<float>();
            for (int t = 0; t < length; t++)
            {
                float[] row = scores[(t * 257)..((t + 1) * 257)];
                sum += Math.Log(row.Sum(score => Math.Exp(score))) - row[tokens[start + t + 1]];
            }
        }

        return sum;
    }
}
