namespace DynConv.Models.Generation;

/// <summary>Continues token sequences with a model, one token at a time, keeping what earlier tokens left behind.</summary>
public static class TextGenerator
{
    /// <summary>So many tokens at once take the kernels of a long text, and not those of a few tokens.</summary>
    public const int PromptTokens = 8;

    /// <summary>Continues a prompt.</summary>
    /// <param name="model">The model.</param>
    /// <param name="prompt">Token ids, at least one. Of a prompt longer than the model's context the end counts.</param>
    /// <param name="maxTokens">The most tokens to make.</param>
    /// <param name="options">How to choose them.</param>
    /// <param name="endTokens">Tokens that end the text and are not returned; null for none.</param>
    /// <param name="isToken">
    /// Whether an id of the model's vocabulary is a token: the others, apart from those that end the text, are never chosen.
    /// Vocabularies are often padded beyond their tokenizer's. Null if all are.
    /// </param>
    /// <param name="cancellation">Ends the text early.</param>
    /// <returns>
    /// The new ids, each as soon as it is chosen. When the text outgrows the context, the model goes on from the later
    /// half of what it has seen.
    /// </returns>
    public static IEnumerable<int> Generate(
        LanguageModel model,
        IReadOnlyList<int> prompt,
        int maxTokens,
        SamplingOptions options,
        IReadOnlyCollection<int>? endTokens = null,
        Func<int, bool>? isToken = null,
        CancellationToken cancellation = default)
    {
        if (prompt.Count == 0)
        {
            throw new DynConvException("A prompt needs at least one token.");
        }

        if (maxTokens < 0)
        {
            throw new DynConvException($"max-tokens is {maxTokens}; it has to be 0 or more.");
        }

        int vocabulary = model.Configuration.VocabularySize;
        foreach (int id in prompt.Where(id => id < 0 || id >= vocabulary))
        {
            throw new DynConvException($"The prompt has the token id {id}, and the model's ids end with {vocabulary - 1}.");
        }

        HashSet<int> ends = [.. endTokens ?? []];
        int[] never = isToken is null ? [] : [.. Enumerable.Range(0, vocabulary).Where(id => !isToken(id) && !ends.Contains(id))];
        return Stream(model, [.. prompt], maxTokens, new Sampler(options, never), ends, cancellation);
    }

    /// <summary>Compiles the kernels that a model needs to continue texts, so that the first token does not wait for them.</summary>
    /// <param name="model">The model.</param>
    /// <returns>How many kernels were needed that this process did not have yet; 0 on the CPU.</returns>
    public static int Prepare(LanguageModel model) => model.Device.Prepare(() =>
    {
        // A prompt, and the token after it.
        foreach (int tokens in (ReadOnlySpan<int>)[Math.Min(PromptTokens, model.Configuration.MaxPositions), 1])
        {
            using ModelState state = model.CreateState(1, tokens);
            Scores(model, state, new int[tokens]);
        }
    });

    private static IEnumerable<int> Stream(
        LanguageModel model, List<int> seen, int maxTokens, Sampler sampler, HashSet<int> endTokens, CancellationToken cancellation)
    {
        int context = model.Configuration.MaxPositions;
        int first = seen.Count <= context ? 0 : seen.Count - context;
        int consumed = first;
        ModelState state = NewState(0);
        try
        {
            for (int made = 0; made < maxTokens && !cancellation.IsCancellationRequested; made++)
            {
                if (seen.Count - first > context)
                {
                    first = seen.Count - ((context + 1) / 2);
                    consumed = first;
                    state.Dispose();
                    state = NewState(made);
                }

                int next = sampler.Choose(Scores(model, state, [.. seen[consumed..]]), seen);
                consumed = seen.Count;
                if (endTokens.Contains(next))
                {
                    yield break;
                }

                seen.Add(next);
                yield return next;
            }
        }
        finally
        {
            state.Dispose();
        }

        // Contexts are often far longer than texts: room only for what can still come.
        ModelState NewState(int made) =>
            model.CreateState(1, Math.Min((long)context, (long)seen.Count - first + maxTokens - made));
    }

    private static float[] Scores(LanguageModel model, ModelState state, int[] fresh)
    {
        using IDisposable pause = Tape.Pause();
        using var scope = new TensorScope();
        Tensor ids = Tensor.From(fresh, [1, fresh.Length], model.Device);
        return model.Forward(ids, state, lastOnly: true).To(DType.Float32).ToArray<float>();
    }
}
