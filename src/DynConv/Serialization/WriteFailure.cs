namespace DynConv.Serialization;

/// <summary>Turns what the operating system says about a failed write into a sentence.</summary>
internal static class WriteFailure
{
    private const int UnixNoSpace = 28;
    private const int UnixQuotaExceeded = 122;
    private const int WindowsHandleDiskFull = unchecked((int)0x80070027);
    private const int WindowsDiskFull = unchecked((int)0x80070070);

    /// <summary>Whether the exception is the file system's and not the caller's own.</summary>
    public static bool IsFrom(Exception exception) =>
        exception is IOException or UnauthorizedAccessException || IsTooLarge(exception);

    /// <summary>The failure to throw in place of <paramref name="exception"/>.</summary>
    public static DynConvException Explain(string path, Exception exception) => exception.HResult switch
    {
        UnixNoSpace or WindowsHandleDiskFull or WindowsDiskFull =>
            new DynConvException($"{path} could not be written: the disk is full.", exception),
        UnixQuotaExceeded => new DynConvException($"{path} could not be written: the disk quota is used up.", exception),
        _ when IsTooLarge(exception) =>
            new DynConvException($"{path} could not be written: the file would be larger than the disk or a limit allows.", exception),
        _ => new DynConvException($"{path} could not be written: {exception.Message}", exception),
    };

    // .NET reports EFBIG as if the caller had named the length.
    private static bool IsTooLarge(Exception exception) => exception is ArgumentOutOfRangeException { ParamName: "value" };
}
