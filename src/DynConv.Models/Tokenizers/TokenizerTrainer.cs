namespace DynConv.Models.Tokenizers;

/// <summary>
/// Learns a byte-level BPE vocabulary from text, after Sennrich, Haddow and Birch, "Neural Machine Translation of
/// Rare Words with Subword Units" (2016).
/// </summary>
public static class TokenizerTrainer
{
    private const int SmallestVocabulary = 257;
    private const int ProgressInterval = 64;

    /// <summary>
    /// Learns a vocabulary of the 256 bytes (ids 0 to 255, each the byte's value), one token for each merge in the
    /// order of merging, and <c>&lt;|endoftext|&gt;</c> as the last id. Each merge takes the pair of neighbouring
    /// tokens that the text has most often within pieces; of equals, the one whose left token has the lower id, then
    /// whose right token has. A pair that spells an older token is passed over, so that tokens differ. The result
    /// depends on the text alone, not on threads or on the order of documents.
    /// </summary>
    /// <param name="documents">
    /// Texts, any bytes; no piece reaches across two. They are enumerated once, by one thread at a time; each must
    /// stay as it is until this method returns, for another thread may still read it when the next is asked for.
    /// </param>
    /// <param name="vocabularySize">
    /// Number of ids wanted, from 257. There are fewer if no pair is left that is frequent enough.
    /// </param>
    /// <param name="options">How to work; null for the defaults.</param>
    /// <param name="progress">Told now and then how far the work is, by one thread at a time.</param>
    /// <param name="cancellationToken">Ends the work early.</param>
    /// <returns>The tokenizer; its <see cref="BpeTokenizer.VocabularySize"/> tells if the text had enough pairs.</returns>
    /// <exception cref="DynConvException">The size or an option is out of range.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static BpeTokenizer Train(
        IEnumerable<ReadOnlyMemory<byte>> documents,
        int vocabularySize,
        TokenizerTrainerOptions? options = null,
        IProgress<TokenizerTrainingProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        options ??= new TokenizerTrainerOptions();
        Check(vocabularySize, options);
        var state = new TokenizerTrainingProgress(0, SmallestVocabulary, vocabularySize);
        Dictionary<byte[], long> pieces = PieceCounter.Count(documents, options, Read, cancellationToken);
        var learner = new MergeLearner(pieces);
        while (learner.TokenCount + 1 < vocabularySize && learner.MergeMostFrequent(options.MinimumPairCount))
        {
            cancellationToken.ThrowIfCancellationRequested();
            state = state with { Tokens = learner.TokenCount + 1 };
            if (state.Tokens % ProgressInterval == 0 || state.Tokens == vocabularySize)
            {
                progress?.Report(state);
            }
        }

        return new BpeTokenizer(MakeVocabulary(learner), BpeSettings.Of(options.Pattern));

        void Read(long bytes)
        {
            state = state with { BytesRead = state.BytesRead + bytes };
            progress?.Report(state);
        }
    }

    private static void Check(int vocabularySize, TokenizerTrainerOptions options)
    {
        if (vocabularySize < SmallestVocabulary)
        {
            throw new DynConvException(
                $"A vocabulary of {vocabularySize} is too small: "
                + $"the 256 bytes and {AddedToken.EndOfText} need {SmallestVocabulary}.");
        }

        if (options.Pattern is not (PretokenizerPattern.Gpt2 or PretokenizerPattern.Llama3))
        {
            throw new DynConvException(
                $"A tokenizer cannot be trained with the pattern {options.Pattern}; use Gpt2 or Llama3.");
        }

        if (options.Threads < 1 || options.MinimumPairCount < 1)
        {
            throw new DynConvException("Threads and the minimum count of a pair must be at least 1.");
        }
    }

    private static BpeVocabulary MakeVocabulary(MergeLearner learner)
    {
        string[] tokens = [.. learner.Tokens.Select(bytes => ByteAlphabet.ToText(bytes))];
        return new BpeVocabulary(
            Enumerable.Range(0, tokens.Length).ToDictionary(id => tokens[id]),
            [.. learner.Merges.Select(merge => (tokens[merge.Left], tokens[merge.Right]))],
            [new AddedToken(tokens.Length, AddedToken.EndOfText)]);
    }
}
