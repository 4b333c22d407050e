namespace DynConv.Models.Generation;

/// <summary>Continues token sequences with a model, one token at a time, keeping what earlier tokens left behind.</summary>
public static class TextGenerator
{
    /// <summary>Continues a prompt.</summary>
    /// <param name="model">The model.</param>
    /// <param name="prompt">Token ids, at least one. Of a prompt longer than the model's context the end counts.</param>
    /// <param name="maxTokens">The most tokens to make.</param>
    /// <param name="options">How to choose them.</param>
    /// <param name="endOfTextId">A token that ends the text and is not returned; null for none.</param>
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
        int? endOfTextId = null,
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

        return Stream(model, [.. prompt], maxTokens, new Sampler(options), endOfTextId, cancellation);
    }

    private static IEnumerable<int> Stream(
        LanguageModel model, List<int> seen, int maxTokens, Sampler sampler, int? endOfTextId, CancellationToken cancellation)
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

                int next = Next(model, state, seen[consumed..], sampler);
                consumed = seen.Count;
                if (next == endOfTextId)
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

    private static int Next(LanguageModel model, ModelState state, List<int> fresh, Sampler sampler)
    {
        using IDisposable pause = Tape.Pause();
        using var scope = new TensorScope();
        Tensor ids = Tensor.From(fresh.ToArray(), [1, fresh.Count], model.Device);
        return sampler.Choose(model.Forward(ids, state, lastOnly: true).ToArray<float>());
    }
}
