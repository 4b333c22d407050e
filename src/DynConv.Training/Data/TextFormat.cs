namespace DynConv.Training.Data;

/// <summary>How the text of a file is laid out once it is unpacked.</summary>
public enum TextFormat
{
    /// <summary>What the content itself shows, file by file.</summary>
    Auto,

    /// <summary>The whole file is one document.</summary>
    Text,

    /// <summary>Each line is a JSON object with a document in one of its fields.</summary>
    JsonLines,

    /// <summary>An array of such objects, or objects one after the other, over any number of lines.</summary>
    Json,

    /// <summary>A table with a document in each row of one of its columns.</summary>
    Parquet,
}
