namespace DynConv.Training.Data;

/// <summary>What people should hear of their data before they rely on it, in sentences.</summary>
public static class DataNotes
{
    /// <summary>What of the text was not read.</summary>
    /// <param name="leftOut">What the folders hold beside it.</param>
    /// <param name="skipped">Bad lines; null if there were none.</param>
    public static IReadOnlyList<string> NotRead(IReadOnlyList<LeftOutFile> leftOut, SkippedLines? skipped)
    {
        var notes = new List<string>();
        if (leftOut.Count > 0)
        {
            notes.Add($"Left out of the data: {LeftOutFile.Describe(leftOut)}.");
        }

        if (skipped is not null)
        {
            notes.Add(skipped.Describe());
        }

        return notes;
    }
}
