using DynConv.Cpu;

namespace DynConv.Models.Tokenizers;

/// <summary>How <see cref="TokenizerTrainer"/> works.</summary>
public sealed record TokenizerTrainerOptions
{
    /// <summary>How text is cut into the pieces that merges stay within: GPT-2's or Llama-3's pattern.</summary>
    public PretokenizerPattern Pattern { get; init; } = PretokenizerPattern.Gpt2;

    /// <summary>A pair that is seen less often is not merged; at least 1.</summary>
    public long MinimumPairCount { get; init; } = 2;

    /// <summary>Threads that count pieces; at least 1, and unless set <see cref="CpuSettings.Threads"/>. The result does not depend on it.</summary>
    public int Threads { get; init; } = CpuSettings.Threads;
}
