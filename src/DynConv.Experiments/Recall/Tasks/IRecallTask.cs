using DynConv.Modules;

namespace DynConv.Experiments.Recall;

/// <summary>
/// A kind of associative recall: sequences that list pairs of a key and a value and then ask for the values of keys. A
/// task is one record in one file with a constructor that needs no arguments; its properties are its settings, and
/// <see cref="RecallTasks"/> finds it by itself.
/// </summary>
public interface IRecallTask
{
    /// <summary>As on the command line.</summary>
    string Name { get; }

    /// <summary>One sentence for people.</summary>
    string Summary { get; }

    /// <summary>Number of token ids.</summary>
    int VocabularySize { get; }

    /// <summary>The most pairs that fit a sequence.</summary>
    int MostPairs { get; }

    /// <summary>Tokens of a sequence.</summary>
    /// <param name="pairs">From 1 to <see cref="MostPairs"/>.</param>
    int Length(int pairs);

    /// <summary>Makes one sequence.</summary>
    /// <param name="random">Decides it.</param>
    /// <param name="pairs">Keys with their values; each is asked for once.</param>
    /// <param name="tokens">As many as <see cref="Length"/> says; filled.</param>
    /// <param name="targets">As many: comes full of "does not count" and gets the value where a key is asked for.</param>
    void Fill(RandomSource random, int pairs, Span<int> tokens, Span<int> targets);

    /// <summary>A token for people: <c>k7</c>, <c>v3</c>.</summary>
    /// <param name="token">An id below <see cref="VocabularySize"/>.</param>
    string Spell(int token);
}
