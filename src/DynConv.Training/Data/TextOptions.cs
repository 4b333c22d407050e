namespace DynConv.Training.Data;

/// <summary>How files are turned into documents. All of it changes what is read.</summary>
public sealed record TextOptions
{
    /// <summary>The field of JSON objects, or the column of tables, that holds the text, unless another is named.</summary>
    public const string DefaultTextField = "text";

    /// <summary>How all files are laid out; by default each shows it itself.</summary>
    public TextFormat Format { get; init; }

    /// <summary>The field or column that holds the text; <c>a.b</c> is the field <c>b</c> of the object in <c>a</c>.</summary>
    public string TextField { get; init; } = DefaultTextField;

    /// <summary>Whether lines, elements and rows without usable text are counted and left out instead of being an error.</summary>
    public bool SkipBadLines { get; init; }

    /// <summary>Refuses what no file can have.</summary>
    internal TextOptions Checked() => TextField.Split('.').All(static part => part.Length > 0)
        ? this
        : throw new DynConvException($"The text field is '{TextField}'; it has to be a name, or names with dots between them.");
}
