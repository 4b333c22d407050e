using DynConv.Models;
using DynConv.Models.Generation;
using DynConv.Models.Tokenizers;
using DynConv.Ops;
using DynConv.Training.Data;

namespace DynConv.Training.Evaluation;

/// <summary>Measures how well a model foretells a text.</summary>
public static class Evaluator
{
    /// <summary>
    /// Goes through the text in windows of one context that do not overlap; the first token of a window sees nothing
    /// before it.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="data">At least one window.</param>
    /// <param name="context">Tokens of a window.</param>
    /// <param name="batch">Windows side by side; the result depends on it by rounding alone.</param>
    /// <param name="maxTokens">
    /// The most tokens to look at, rounded up to a whole window. If there are more, windows from all over the text are
    /// taken, equally far apart.
    /// </param>
    /// <param name="pack">
    /// Whether documents do not see one another: as with <see cref="TrainingConfiguration.Pack"/>, first tokens of
    /// documents are not foretold and do not count.
    /// </param>
    /// <param name="progress">Told after each batch of windows, on the calling thread.</param>
    /// <param name="cancellation">Ends the measurement with an <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="DynConvException">
    /// The context is longer than the model's, or the text shorter than one; or no packed document has anything to foretell.
    /// </exception>
    public static EvaluationResult Evaluate(
        LanguageModel model,
        TokenDataset data,
        int context,
        int batch,
        long maxTokens = long.MaxValue,
        bool pack = false,
        IProgress<EvaluationProgress>? progress = null,
        CancellationToken cancellation = default)
    {
        Check(model, context, batch);
        var windows = new EvaluationWindows(data, context);
        long wanted = CountWindows(windows, maxTokens);
        var total = new Totals(0, 0, 0);
        for (long done = 0; done < wanted; done += batch)
        {
            cancellation.ThrowIfCancellationRequested();
            var chosen = new long[Math.Min(batch, wanted - done)];
            for (int i = 0; i < chosen.Length; i++)
            {
                chosen[i] = (long)((Int128)(done + i) * windows.Count / wanted);
            }

            total += pack ? MeasurePacked(model, windows, chosen) : Measure(model, windows, chosen);
            progress?.Report(new EvaluationProgress(done + chosen.Length, wanted));
        }

        if (pack && total.Bytes == 0)
        {
            throw NothingToMeasure();
        }

        return new EvaluationResult(total.Sum / total.Tokens, total.Tokens, total.Bytes);
    }

    /// <summary>Windows that <see cref="Evaluate"/> would look at.</summary>
    internal static long CountWindows(TokenDataset data, int context, long maxTokens) =>
        CountWindows(new EvaluationWindows(data, context), maxTokens);

    private static long CountWindows(EvaluationWindows windows, long maxTokens) =>
        Math.Min(windows.Count, (maxTokens / windows.Context) + (maxTokens % windows.Context == 0 ? 0 : 1));

    /// <summary>Refuses text whose packed documents have nothing to foretell but their ends, before anybody trains for its sake.</summary>
    internal static void CheckMeasurable(TokenDataset data, int context, bool pack)
    {
        var windows = new EvaluationWindows(data, context);
        for (long window = 0; pack && windows.TargetBytes(windows.Pack(window)) == 0; window++)
        {
            if (window == windows.Count - 1)
            {
                throw NothingToMeasure();
            }
        }
    }

    private static DynConvException NothingToMeasure() => new(
        "There is nothing to measure once the text is packed: no document has text behind its first token. Give longer documents or leave packing out.");

    /// <summary>
    /// Windows side by side where nobody says otherwise. It depends on the context alone, so that a model has the same
    /// loss, to the last bit, at the end of its training and ever after.
    /// </summary>
    /// <param name="context">Tokens of a window.</param>
    public static int DefaultBatch(int context)
    {
        const int TokensAtOnce = 4096;
        return Math.Max(1, TokensAtOnce / Math.Max(1, context));
    }

    /// <summary>Encodes text and measures a model on all of it.</summary>
    /// <param name="model">The model.</param>
    /// <param name="tokenizer">The model's.</param>
    /// <param name="paths">Files and folders of text.</param>
    /// <param name="context">Tokens of a window; null for the model's context, or less if the text is shorter.</param>
    /// <param name="batch">Windows side by side; null for <see cref="DefaultBatch"/>.</param>
    /// <param name="pack">Whether documents do not see one another.</param>
    /// <param name="encoding">Told how far the encoding of the text has come.</param>
    /// <param name="progress">Told how far the measurement has come.</param>
    /// <param name="text">How files are read; by their content if not given.</param>
    /// <param name="notes">Told, before the measurement, what of the text was not read.</param>
    /// <param name="cancellation">Ends the measurement with an <see cref="OperationCanceledException"/>.</param>
    public static EvaluationResult EvaluateText(
        LanguageModel model,
        ITokenizer tokenizer,
        IReadOnlyList<string> paths,
        int? context = null,
        int? batch = null,
        bool pack = false,
        IProgress<EncodingProgress>? encoding = null,
        IProgress<EvaluationProgress>? progress = null,
        TextOptions? text = null,
        Action<string>? notes = null,
        CancellationToken cancellation = default)
    {
        TextSource source = TextSource.Find(paths, options: text);
        using var folder = new WorkFolder();
        using TokenDataset data = TokenCache.OpenOrEncode(
            Path.Combine(folder.FullName, "text"), source, tokenizer, new EncodingOptions { Progress = encoding, Cancellation = cancellation });
        CheckVocabulary(model, tokenizer, data);
        foreach (string note in DataNotes.NotRead(source.LeftOut, data.Skipped))
        {
            notes?.Invoke(note);
        }

        int window = context ?? (int)Math.Clamp(data.Tokens - 1, 1, model.Configuration.MaxPositions);
        EvaluationResult result = Evaluate(model, data, window, batch ?? DefaultBatch(window), pack: pack, progress: progress, cancellation: cancellation);
        return result.Bytes > 0
            ? result
            : throw new DynConvException($"The text in {string.Join(", ", source.Files.Select(static file => file.Name))} is too short: the first token is given, and nothing follows it.");
    }

    /// <summary>Compiles the kernels that a measurement needs, so that its first window does not wait for them.</summary>
    /// <param name="model">The model.</param>
    /// <param name="pack">Whether documents will not see one another.</param>
    /// <returns>How many kernels were needed that this process did not have yet; 0 on the CPU.</returns>
    public static int Prepare(LanguageModel model, bool pack = false) => model.Device.Prepare(() =>
    {
        using var scope = new TensorScope();
        Tensor ids = Tensor.Zeros([1, Math.Min(TextGenerator.PromptTokens, model.Configuration.MaxPositions)], DType.Int32, model.Device);
        using PackedSequences? packed = pack ? new PackedSequences([0, ids.Count]) : null;
        model.TokenLosses(ids, ids, packed);
    });

    private static void Check(LanguageModel model, int context, int batch)
    {
        int positions = model.Configuration.MaxPositions;
        if (context < 1 || context > positions)
        {
            throw new DynConvException($"A context of {context} does not fit the model; it can be 1 to {positions}.");
        }

        if (batch < 1)
        {
            throw new DynConvException($"The batch is {batch}; it has to be at least 1.");
        }
    }

    /// <summary>A tokenizer may have tokens that the model lacks, as long as no text has them.</summary>
    private static void CheckVocabulary(LanguageModel model, ITokenizer tokenizer, TokenDataset data)
    {
        int ids = model.Configuration.VocabularySize;
        if (tokenizer.VocabularySize > ids && data.FirstFrom(ids) is { } id)
        {
            throw new DynConvException(
                $"The text has the token '{tokenizer.DecodeText([id])}' of id {id}, and the model's ids end with {ids - 1}: tokenizer and model do not belong together.");
        }
    }

    private static Totals Measure(LanguageModel model, EvaluationWindows windows, long[] chosen)
    {
        using var scope = new TensorScope();
        int context = windows.Context;
        var ids = new int[chosen.Length * context];
        var targets = new int[ids.Length];
        for (int i = 0; i < chosen.Length; i++)
        {
            windows.Fill(chosen[i], ids.AsSpan(i * context, context), targets.AsSpan(i * context, context));
        }

        Shape shape = [chosen.Length, context];
        Tensor losses = model.TokenLosses(
            Tensor.From(ids, shape, model.Device), Tensor.From(targets, shape, model.Device));
        return new Totals(
            Sum(losses),
            chosen.Sum(window => windows.TargetTokens(window, 1)),
            chosen.Sum(window => windows.TargetBytes(window, 1)));
    }

    private static Totals MeasurePacked(LanguageModel model, EvaluationWindows windows, long[] chosen)
    {
        using var scope = new TensorScope();
        PackedBatch batch = windows.Pack(chosen);
        using PackedSequences packed = batch.Sequences();
        Shape shape = [1, batch.Ids.Length];
        Tensor losses = model.TokenLosses(
            Tensor.From(batch.Ids, shape, model.Device), Tensor.From(batch.Targets, shape, model.Device), packed);
        return new Totals(Sum(losses), batch.CountedTargets, windows.TargetBytes(batch));
    }

    private static double Sum(Tensor losses)
    {
        double sum = 0;
        foreach (float loss in losses.ToArray<float>())
        {
            sum += loss;
        }

        return sum;
    }

    /// <summary>Over targets that count: their losses, their number and the bytes that they stand for.</summary>
    private readonly record struct Totals(double Sum, long Tokens, long Bytes)
    {
        public static Totals operator +(Totals a, Totals b) => new(a.Sum + b.Sum, a.Tokens + b.Tokens, a.Bytes + b.Bytes);
    }
}
