namespace DynConv.Models.Tokenizers;

/// <summary>Reads which ids a <c>post_processor</c> puts around one text.</summary>
internal static class TemplateReader
{
    /// <summary>Reads the ids.</summary>
    /// <exception cref="DynConvException">The processor is malformed or of another kind.</exception>
    public static TokenTemplate Read(JsonPlace processor)
    {
        string type = processor.Get("type").Text();
        return type switch
        {
            "ByteLevel" => TokenTemplate.Empty,
            "TemplateProcessing" => ReadTemplate(processor),
            "BertProcessing" or "RobertaProcessing" => new TokenTemplate([PairId(processor, "cls")], [PairId(processor, "sep")]),
            "Sequence" => processor.Get("processors").Items().Select(Read).Where(static template => !template.IsEmpty).ToArray() switch
            {
                [] => TokenTemplate.Empty,
                [var one] => one,

                // A second one would take each token that the first has put there for a text of its own.
                _ => throw processor.Failure("has several steps that put tokens around a text; one is supported"),
            },
            _ => throw processor.Failure(
                $"is of type {JsonPlace.Cut(type)}; supported are TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel and Sequence"),
        };
    }

    private static TokenTemplate ReadTemplate(JsonPlace processor)
    {
        JsonPlace single = processor.Get("single");
        List<int> before = [];
        List<int>? after = null;
        foreach (JsonPlace piece in single.Items())
        {
            if (piece.Find("SpecialToken") is JsonPlace token)
            {
                (after ?? before).AddRange(Ids(processor, token.Get("id").Text()));
            }
            else if (after is null && piece.Get("Sequence").Get("id").Text() == "A")
            {
                after = [];
            }
            else
            {
                throw piece.Failure("must not be there: the template of a single text has the sequence A once");
            }
        }

        return after is null
            ? throw single.Failure("must have the sequence A, which is the text")
            : new TokenTemplate(before, after);
    }

    private static IEnumerable<int> Ids(JsonPlace processor, string name) =>
        processor.Get("special_tokens").Get(name).Get("ids").Items().Select(static id => id.Id());

    private static int PairId(JsonPlace processor, string name) => processor.Get(name).Items().ToArray() is [_, var id]
        ? id.Id()
        : throw processor.Failure($"must have as '{name}' a token and its id");
}
