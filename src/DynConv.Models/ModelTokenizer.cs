using DynConv.Models.HuggingFace;
using DynConv.Models.Tokenizers;

namespace DynConv.Models;

/// <summary>A tokenizer together with what the files beside it say of its tokens.</summary>
/// <param name="Tokenizer">
/// The tokenizer; its <see cref="ITokenizer.EndOfTextId"/> is the end token that the files name, if they name one.
/// </param>
/// <param name="EndTokens">
/// All ids that end a text that a model makes: those of <c>generation_config.json</c>, <c>config.json</c> and
/// <c>tokenizer_config.json</c>, the last one of the template, and the one between documents, which comes first.
/// </param>
public sealed record ModelTokenizer(ITokenizer Tokenizer, IReadOnlyList<int> EndTokens)
{
    /// <summary>Reads a tokenizer as <see cref="TokenizerLoader.Load"/> does, and the files beside it.</summary>
    /// <param name="path"><c>bytes</c>, a file or a folder.</param>
    /// <param name="template">Whether texts get the tokens around them that the tokenizer's template says.</param>
    /// <exception cref="DynConvException">There is no tokenizer, or a file is malformed.</exception>
    public static ModelTokenizer Load(string path, bool template = true)
    {
        ITokenizer tokenizer = TokenizerLoader.Load(path);
        EndTokens found = path == TokenizerLoader.Bytes ? HuggingFace.EndTokens.None : HuggingFace.EndTokens.Beside(path, tokenizer);
        if (found.Separator(tokenizer) is { } separator && separator != tokenizer.EndOfTextId)
        {
            tokenizer = tokenizer.WithEndOfText(separator);
        }

        if (!template && !tokenizer.Template.IsEmpty)
        {
            tokenizer = new BareTokenizer(tokenizer);
        }

        int[] ends =
        [
            .. tokenizer.EndOfTextId is { } end ? [end] : (int[])[],
            .. found.All,
            .. tokenizer.Template.After.TakeLast(1),
        ];
        return new ModelTokenizer(tokenizer, [.. ends.Distinct()]);
    }
}
