namespace DynConv.Training;

/// <summary>A setting in which two configurations differ.</summary>
/// <param name="Setting">As <c>run.yaml</c> calls it; <c>model.layers</c> for one of a section.</param>
/// <param name="Before">The value in the first; null if it has none.</param>
/// <param name="Now">The value in the second; null if it has none.</param>
internal sealed record SettingDifference(string Setting, string? Before, string? Now)
{
    /// <summary>A setting with its value, as <c>run.yaml</c> has it.</summary>
    public string Show(string? value) => value is null ? $"{Setting} left out" : $"{Setting}: {value}";
}
