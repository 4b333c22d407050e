using DynConv.Models.Tokenizers;

namespace DynConv.Models.Tests.Tokenizers;

/// <summary>Trains tokenizers until the test run is cancelled.</summary>
internal static class Trained
{
    public static BpeTokenizer On(
        IEnumerable<byte[]> documents,
        int vocabularySize,
        TokenizerTrainerOptions? options = null,
        IProgress<TokenizerTrainingProgress>? progress = null) =>
        TokenizerTrainer.Train(
            documents.Select(document => (ReadOnlyMemory<byte>)document),
            vocabularySize,
            options,
            progress,
            TestContext.Current.CancellationToken);
}
