using DynConv.Models.Tokenizers;

namespace DynConv.Training.Data;

/// <summary>The two datasets of a run, which never overlap: what is trained on and what is held out.</summary>
public sealed class TrainingData : IDisposable
{
    private const string ValidationName = "valid";

    private TrainingData(TokenDataset train, TokenDataset validation)
    {
        Train = train;
        Validation = validation;
    }

    /// <summary>What is trained on; at least one window.</summary>
    public TokenDataset Train { get; }

    /// <summary>What the validation loss is measured on; at least one window.</summary>
    public TokenDataset Validation { get; }

    /// <summary>
    /// Finds and encodes the text of a run. Without validation paths a share is held out, as
    /// <see cref="TokenDataset.HoldOut"/> does; files that are under both lists of paths are for validation only.
    /// </summary>
    /// <param name="options">Paths, context and cache.</param>
    /// <param name="tokenizer">Encodes.</param>
    /// <exception cref="DynConvException">A source is missing, unreadable, binary or malformed, or the text is too short.</exception>
    public static TrainingData Prepare(TrainingDataOptions options, ITokenizer tokenizer) =>
        options.ValidationPaths is { Count: > 0 } paths ? PrepareBoth(options, paths, tokenizer) : PrepareSplit(options, tokenizer);

    /// <summary>Closes both datasets.</summary>
    public void Dispose()
    {
        Train.Dispose();
        Validation.Dispose();
    }

    private static TrainingData PrepareSplit(TrainingDataOptions options, ITokenizer tokenizer)
    {
        using TokenDataset all = Encode(options, "train", options.Paths, options.Except, tokenizer);
        (TokenDataset train, TokenDataset validation) =
            all.HoldOut(options.Context, options.ValidationShare, options.MaxValidationTokens);
        return new TrainingData(train, validation);
    }

    private static TrainingData PrepareBoth(TrainingDataOptions options, IReadOnlyList<string> validationPaths, ITokenizer tokenizer)
    {
        TokenDataset validation = Encode(options, ValidationName, validationPaths, options.Except, tokenizer);
        try
        {
            string[] except = [.. options.Except, .. validationPaths];
            return new TrainingData(Encode(options, "train", options.Paths, except, tokenizer), validation);
        }
        catch
        {
            validation.Dispose();
            throw;
        }
    }

    private static TokenDataset Encode(
        TrainingDataOptions options, string name, IReadOnlyList<string> paths, IReadOnlyList<string> except, ITokenizer tokenizer)
    {
        TokenDataset dataset = OpenOrEncode(options, name, paths, except, tokenizer);
        try
        {
            dataset.CheckHolds(options.Context, name == ValidationName ? "The validation text" : "The text");
            return dataset;
        }
        catch
        {
            dataset.Dispose();
            throw;
        }
    }

    private static TokenDataset OpenOrEncode(
        TrainingDataOptions options, string name, IReadOnlyList<string> paths, IReadOnlyList<string> except, ITokenizer tokenizer)
    {
        string folder = Path.Combine(options.CacheFolder, name);
        TextSource source;
        try
        {
            source = TextSource.Find(paths, [.. except, options.CacheFolder]);
        }
        catch (DynConvException) when (options.TakeEncoded)
        {
            if (TokenCache.TryOpen(folder, tokenizer) is { } encoded)
            {
                return encoded;
            }

            throw;
        }

        return TokenCache.OpenOrEncode(folder, source, tokenizer, options.Encoding);
    }
}
