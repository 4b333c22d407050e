namespace DynConv.Training.Evaluation;

/// <summary>How well a model foretells a text.</summary>
/// <param name="Loss">Mean cross-entropy of a token, in nats.</param>
/// <param name="Tokens">Tokens that were foretold.</param>
/// <param name="Bytes">Bytes of text that those tokens stand for.</param>
public sealed record EvaluationResult(double Loss, long Tokens, long Bytes)
{
    /// <summary>e to the power of the loss.</summary>
    public double Perplexity => Math.Exp(Loss);

    /// <summary>Bits that the model needs for a byte of the text; independent of the tokenizer.</summary>
    public double BitsPerByte => Loss * Tokens / (Math.Log(2) * Bytes);
}
