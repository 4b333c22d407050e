namespace DynConv.Training.Data;

/// <summary>A folder for files of the moment, where the system keeps such.</summary>
internal sealed class WorkFolder : IDisposable
{
    /// <exception cref="DynConvException">There cannot be one.</exception>
    public WorkFolder()
    {
        try
        {
            FullName = Directory.CreateTempSubdirectory("dynconv-").FullName;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new DynConvException(
                $"No temporary folder can be made in {Path.GetTempPath()}: {exception.Message} Set TMPDIR to a folder that can be written to.", exception);
        }
    }

    public string FullName { get; }

    public void Dispose() => Directory.Delete(FullName, recursive: true);
}
